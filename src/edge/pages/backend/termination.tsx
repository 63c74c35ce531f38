import { isConnectable, type StatusEntry } from "../../../domain/backends/status.ts";
import { permits } from "../../../domain/credentials/access.ts";
import { softTerminationGraceSeconds } from "../../../domain/limits.ts";
import { ok, type Result } from "../../../domain/result.ts";
import type { BackendInfo } from "../../../objects/contract.ts";
import type { Env } from "../../../objects/env.ts";
import { serviceStub } from "../../../objects/stubs.ts";
import type { BackendLocation } from "../../locate-backend.ts";
import { Confirm } from "../elements/confirm.tsx";
import { Form } from "../elements/form.tsx";
import { pathOf } from "../elements/paths.ts";
import type { Submitted } from "../frame/page.ts";
import type { Visitor } from "../frame/page-call.ts";

/** The names of the forms that terminate a backend. */
export const softForm = "terminate";
export const hardForm = "terminate-hard";

/** Terminates a backend, as a form of its page does. */
export async function terminateBackend(
  { env, backend, visitor }: { env: Env; backend: BackendLocation; visitor: Visitor },
  hard: boolean,
): Promise<Result<Submitted>> {
  const { account, service, id } = backend;
  const terminated = await serviceStub(env, account, service).terminate(id, hard, visitor.caller);
  if (!terminated.ok) return terminated;
  return ok({
    done: hard
      ? `Backend ${id} was told to stop at once.`
      : `Backend ${id} was told to end: it gets ${softTerminationGraceSeconds} s to finish.`,
  });
}

/** The buttons that terminate a backend; none where it has ended or is being stopped. */
export function Termination({
  info,
  status,
  visitor,
}: {
  info: BackendInfo;
  status: StatusEntry;
  visitor: Visitor;
}) {
  if (status.status === "terminated" || status.status === "hard-terminating") return null;
  const { service, environment } = info;
  const permitted = permits(visitor.identity, "spawn", { service, environment });
  return (
    <section id="ending" aria-labelledby="ending-heading">
      <h2 id="ending-heading">End it</h2>
      {permitted.ok ? (
        <div class="actions">
          {isConnectable(status.status) ? <SoftTermination info={info} visitor={visitor} /> : null}
          <HardTermination info={info} visitor={visitor} />
        </div>
      ) : (
        <p>You cannot end it here: {permitted.error.message}.</p>
      )}
    </section>
  );
}

interface Offered {
  info: BackendInfo;
  visitor: Visitor;
}

function SoftTermination({ info, visitor }: Offered) {
  return (
    <div id="end-softly">
      <Confirm summary="Terminate">
        <p>
          The backend is asked to end, and has {softTerminationGraceSeconds} s to finish what it does; then it
          is stopped. Nobody can connect to it any more.{afterKey(info)}
        </p>
        <Form visitor={visitor} path={pathOf.backend(info.id)} label="Terminate">
          <button type="submit" name="do" value={softForm} class="danger">
            Terminate {info.id}
          </button>
        </Form>
      </Confirm>
    </div>
  );
}

function HardTermination({ info, visitor }: Offered) {
  return (
    <div id="end-hard">
      <Confirm summary="Terminate hard">
        <p>
          The backend is stopped at once, without the {softTerminationGraceSeconds} s of grace: what it has
          not saved is lost.{afterKey(info)}
        </p>
        <Form visitor={visitor} path={pathOf.backend(info.id)} label="Terminate hard">
          <button type="submit" name="do" value={hardForm} class="danger">
            Terminate {info.id} hard
          </button>
        </Form>
      </Confirm>
    </div>
  );
}

function afterKey({ key }: BackendInfo): string {
  return key === null ? "" : " Once it has ended, whoever connects with its key gets a new one.";
}
