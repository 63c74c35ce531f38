import { z } from "zod";
import { permits } from "../../../domain/credentials/access.ts";
import { namesInRowMax, rowsShownMax } from "../../../domain/limits.ts";
import { ok, type Result } from "../../../domain/result.ts";
import type { Env } from "../../../objects/env.ts";
import { serviceStub } from "../../../objects/stubs.ts";
import { name } from "../../../protocol/primitives.ts";
import type { Termination } from "../../../protocol/v3/terminations.ts";
import { definedFields } from "../../defined-fields.ts";
import { parseInput } from "../../input.ts";
import { Confirm } from "../elements/confirm.tsx";
import { Form } from "../elements/form.tsx";
import { someText } from "../elements/some-of.tsx";
import { Time } from "../elements/time.tsx";
import type { Submitted } from "../frame/page.ts";
import type { Visitor } from "../frame/page-call.ts";

const fieldsSchema = z.object({
  how: z.enum(["soft", "hard"]),
  environment: z.preprocess((text) => (text === "" ? undefined : text), name.optional()),
});

interface ServiceCall {
  env: Env;
  params: { account: string; service: string };
  visitor: Visitor;
}

/** Terminates all live backends, of a service or of one environment. */
export const terminateAllForm = {
  action: "spawn",
  async submit(
    { env, params: { account, service }, visitor }: ServiceCall,
    fields: Record<string, string>,
  ): Promise<Result<Submitted>> {
    const parsed = parseInput(fieldsSchema, fields, "bad form");
    if (!parsed.ok) return parsed;
    const { how, environment } = parsed.value;
    const params = definedFields({ before: null, hard: how === "hard", dryRun: false, environment });
    const ended = await serviceStub(env, account, service).terminateAll(params, visitor.caller);
    if (!ended.ok) return ended;
    const { matched, terminated, complete } = ended.value;
    const done = complete
      ? `${countText(terminated)} told to end.`
      : `${terminated} of ${countText(matched)} told to end; the rest follows by itself, as this page shows.`;
    return ok({ done });
  },
} as const;

function countText(count: number): string {
  return count === 1 ? "1 backend" : `${count} backends`;
}

/** How far the terminations of many backends are that go on. */
export function RunningTerminations({ terminations }: { terminations: readonly Termination[] }) {
  const running = terminations.filter(({ status }) => status === "running");
  if (running.length === 0) return null;
  return (
    <section>
      <h2>Being terminated</h2>
      <ul>
        {running
          .slice(0, rowsShownMax)
          .map(({ hard, environments, created_at, total, terminated, remaining }) => (
            <li>
              {terminated} of {countText(total)}{" "}
              {environments ? `of ${someText(environments, namesInRowMax)} ` : ""}
              {terminated === 1 ? "has" : "have"} ended, {remaining} to go: requested <Time at={created_at} />
              , {hard ? "hard" : "soft"}.
            </li>
          ))}
      </ul>
      {running.length > rowsShownMax ? <p>{running.length - rowsShownMax} more are not shown.</p> : null}
    </section>
  );
}

/**
 * The form that terminates all live backends.
 * @param live how many live in the environment, or in all that the visitor may see
 * @param environment the one that the page is filtered by; absent for all of them
 */
export function TerminateAll({
  live: count,
  environment,
  service,
  visitor,
  path,
}: {
  live: number;
  environment: string | undefined;
  service: string;
  visitor: Visitor;
  path: string;
}) {
  const may = permits(visitor.identity, "spawn", definedFields({ service, environment }));
  const whose =
    environment === undefined
      ? `every environment of ${service}${visitor.actor.environments ? " that you may change" : ""}`
      : `environment ${environment}`;
  return (
    <section>
      <h2>Terminate all backends</h2>
      {may.ok ? null : <p>You may not terminate them: {may.error.message}.</p>}
      {may.ok && count === 0 ? <p>None is live: there is nothing to terminate.</p> : null}
      {may.ok && count > 0 ? (
        <Confirm summary={`Terminate ${countText(count)}`}>
          <p>
            This ends all live backends of {whose}, {count} now, whatever key or image they have. It cannot be
            taken back.
          </p>
          <Form visitor={visitor} path={path}>
            <input type="hidden" name="environment" value={environment ?? ""} />
            <div class="fields">
              <label>
                <span>How</span>
                <select name="how">
                  <option value="soft">soft: each gets 30 seconds to finish</option>
                  <option value="hard">hard: at once</option>
                </select>
              </label>
              <div>
                <button type="submit" name="do" value="terminate-all" class="danger">
                  Terminate all
                </button>
              </div>
            </div>
          </Form>
        </Confirm>
      ) : null}
    </section>
  );
}
