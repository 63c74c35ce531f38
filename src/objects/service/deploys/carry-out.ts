import type { Judgement } from "../../../domain/deploys/protection.ts";
import type { Failure, Result } from "../../../domain/result.ts";
import { fail, ok } from "../../../domain/result.ts";
import type { Outcome } from "../contract.ts";
import type { EnvironmentRow } from "../sql/service.sql.ts";
import { requestChange } from "./changes.ts";
import type { Mode } from "./contract.ts";
import { judgeRequest } from "./judge.ts";
import type { Carrying } from "./move.ts";
import { planOf } from "./plan.ts";
import type { ChangeRequest } from "./requests.ts";

/**
 * Carries a change of an environment out, or has it wait for approval, or refuses it: the choke point. Whatever changes what an environment
 * resolves to, or may, comes here with what it does.
 * @param act does it; called where nothing refuses it
 */
export function carryOut<T>(
  at: Carrying,
  row: EnvironmentRow,
  request: ChangeRequest,
  mode: Mode,
  act: (judgement: Judgement) => T,
): Result<Outcome<T>> {
  const { state, caller, now } = at;
  const judgement = judgeRequest(state, row, request, caller.actor, now);
  if (mode === "plan") return ok({ plan: planOf(at, row, request, judgement) });
  const refused = refusalOf(judgement);
  if (refused) return { ok: false, error: refused };
  if (judgement.approvals === 0) return ok({ done: act(judgement) });
  const change = requestChange(at, row, request, judgement);
  return change.ok ? ok({ change: change.value }) : change;
}

/** The weightiest of what stands in the way, with all the codes; undefined where nothing does. */
export function refusalOf({ refusals }: Judgement): Failure | undefined {
  const [first, ...others] = refusals;
  if (!first || others.length === 0) return first;
  return { ...first, details: { ...first.details, refusals: refusals.map(({ code }) => code) } };
}

/** What clients get that take any 2xx for done: a change that waits is refused to them, and named. */
export function doneOrRefused<T>(outcome: Result<Outcome<T>>): Result<T> {
  if (!outcome.ok) return outcome;
  const { value } = outcome;
  if ("done" in value) return ok(value.done);
  if ("plan" in value) throw new Error("no plan was asked for");
  const { id, environment, approvals_needed: needed } = value.change;
  return fail(
    "approval_required",
    `a change of environment \`${environment}\` needs ${needed} ${needed === 1 ? "approval" : "approvals"}: ` +
      `it waits as change \`${id}\`, and nothing has changed yet`,
    { details: { change: id, approvals_needed: needed } },
  );
}
