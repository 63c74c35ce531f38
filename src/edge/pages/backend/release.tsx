import { permits } from "../../../domain/credentials/access.ts";
import { ok, type Result } from "../../../domain/result.ts";
import type { BackendInfo } from "../../../objects/contract.ts";
import type { Env } from "../../../objects/env.ts";
import { serviceStub } from "../../../objects/stubs.ts";
import { type Backend, releaseBody } from "../../../protocol/v3/backends.ts";
import { parseInput } from "../../input.ts";
import type { BackendLocation } from "../../locate-backend.ts";
import { Confirm } from "../elements/confirm.tsx";
import { Form } from "../elements/form.tsx";
import { pathOf } from "../elements/paths.ts";
import { Time } from "../elements/time.tsx";
import type { Submitted } from "../frame/page.ts";
import type { Visitor } from "../frame/page-call.ts";

/** The name of the form that releases a backend. */
export const releaseForm = "release";

/** Releases a backend, as a form of its page does. */
export async function releaseHeld(
  { env, backend, visitor }: { env: Env; backend: BackendLocation; visitor: Visitor },
  fields: Record<string, string>,
): Promise<Result<Submitted>> {
  const parsed = parseInput(releaseBody, { note: fields.note }, "bad form");
  if (!parsed.ok) return parsed;
  const { account, service, id } = backend;
  const owner = serviceStub(env, account, service);
  const released = await owner.releaseBackend(id, parsed.value.note, visitor.caller);
  return released.ok ? ok({ done: `Backend ${id} was released: its key is free.` }) : released;
}

/** Whether a backend's key is held until its end is proven: only a backend that lives and has a key can be asked for that. */
export async function heldSince(
  { env, backend }: { env: Env; backend: BackendLocation },
  { key }: Pick<BackendInfo, "key">,
): Promise<Backend["held_since"]> {
  if (key === null) return undefined;
  const found = await serviceStub(env, backend.account, backend.service).getBackend(backend.id);
  return found.ok ? found.value.held_since : undefined;
}

/** What to do about a key that is held by a backend of which nobody knows whether it runs. */
export function Release({
  info,
  since,
  visitor,
}: {
  info: BackendInfo;
  since: Backend["held_since"];
  visitor: Visitor;
}) {
  if (since === undefined) return null;
  const { service, environment } = info;
  const permitted = permits(visitor.identity, "admin", { service, environment });
  return (
    <section id="held" aria-labelledby="held-heading">
      <h2 id="held-heading">Its key is held</h2>
      <p>
        Its agent has been silent, and nothing shows that it has ended: since <Time at={Date.parse(since)} />{" "}
        nobody who connects with its key gets a backend. When the agent is back, this mends itself.
      </p>
      {permitted.ok ? (
        <Confirm summary="Release">
          <p>
            Make sure first that it does not run any more, by looking at its machine. If it does, two backends
            hold one key.
          </p>
          <Form visitor={visitor} path={pathOf.backend(info.id)} label="Release">
            <div class="fields">
              <label>
                <span>How that is known</span>
                <input type="text" name="note" required maxlength={1000} autocomplete="off" />
              </label>
              <div>
                <button type="submit" name="do" value={releaseForm} class="danger">
                  Release {info.id}
                </button>
              </div>
            </div>
          </Form>
        </Confirm>
      ) : (
        <p>You cannot release it here: {permitted.error.message}.</p>
      )}
    </section>
  );
}
