import { shortDigest } from "../../domain/pins/images.ts";
import { shortPin, storedPin } from "../../domain/pins/pin.ts";
import type { Change, Plan } from "../../protocol/v3/deploys.ts";
import { type EnvironmentPath, environmentName } from "../arguments.ts";
import type { Changed } from "../client.ts";
import { details, table } from "../output.ts";
import { gatesTable } from "./gates.ts";

/** What became of a change of an environment, for people. @param text what is said of one that is done */
export function changedText<T>(
  path: EnvironmentPath,
  changed: Changed<T>,
  text: (done: T, path: EnvironmentPath) => string,
): string {
  if ("plan" in changed) return planText(path, changed.plan);
  return "change" in changed ? waitingChangeText(path, changed.change) : text(changed.done, path);
}

/** A change that has just been requested, with the line that approves of it. */
function waitingChangeText(path: EnvironmentPath, change: Change): string {
  const { id, approvals_needed: needed } = change;
  return [
    `Nothing has changed yet: change ${id} waits for ${counted(needed, "approval")}.`,
    changeText(change),
    `Somebody else, with a token that has the right \`approve\`, lets it go ahead:\n  slipway env approve ${environmentName(path)} ${id}`,
  ].join("\n\n");
}

/** A change that waits, or waited, for approval. */
export function changeText(change: Change): string {
  return details({
    change: change.id,
    kind: change.kind,
    state: change.state,
    digest: change.digest,
    of_revision: change.revision,
    ...(change.forced ? { forced: "yes" } : {}),
    requested_by:
      change.requested_by && `${change.requested_by.token_name} (${change.requested_by.token_id})`,
    note: change.note,
    approvals: approvalsText(change),
    created: change.created_at,
    ...(change.ended_at === undefined ? { expires: change.expires_at } : { ended: change.ended_at }),
    ...(change.outcome === undefined ? {} : { outcome: change.outcome }),
  });
}

/** @example "1 of 2: ada (3f9q7h3kq2m9), looks good" */
export function approvalsText({ approvals, approvals_needed: needed }: Change): string {
  const names = approvals.map(
    ({ token_name, token_id, note }) => `${token_name} (${token_id})${note === undefined ? "" : `, ${note}`}`,
  );
  const count = `${approvals.length} of ${needed}`;
  return names.length === 0 ? count : `${count}: ${names.join("; ")}`;
}

function planText(path: EnvironmentPath, plan: Plan): string {
  const { before, after } = plan;
  const images = table(
    ["WHEN", "IMAGE", "DIGEST", "REVISION"],
    [
      ["before", shortPin(storedPin(before.image)), before.digest, before.revision],
      after === null
        ? ["after", "none: it would be gone"]
        : ["after", shortPin(storedPin(after.image)), after.digest],
    ],
  );
  const meets = details({
    approvals: plan.approvals_needed,
    ...(plan.forced.length === 0 ? {} : { force_overrides: plan.forced.join(" ") }),
    ...(plan.rejects === undefined ? {} : { rejects: plan.rejects }),
    ...(plan.unfollows === undefined ? {} : { unfollows: plan.unfollows }),
    clusters_told: plan.clusters.join(" "),
    sessions_that_stay: liveText(plan),
  });
  return [
    `A plan, nothing was done: ${plan.kind} of ${environmentName(path)}`,
    images,
    ...(plan.gates.length === 0 ? [] : [gatesTable(plan.gates)]),
    meets,
    verdictText(plan),
  ].join("\n\n");
}

/** @example "5: 3 on sha256:4f53cda18c2b, 2 on others" */
function liveText({ live, live_total: total }: Plan): string {
  if (total === 0) return "none";
  const known = live.map(({ digest, count }) => `${count} on ${shortDigest(digest)}`);
  const others = total - live.reduce((sum, { count }) => sum + count, 0);
  return `${total}: ${[...known, ...(others > 0 ? [`${others} on others`] : [])].join(", ")}`;
}

function verdictText({ refusals, approvals_needed: needed }: Plan): string {
  if (refusals.length > 0) {
    const reasons = refusals.map(({ code, message }) => `- ${message} (${code})`);
    return `It would be refused:\n${reasons.join("\n")}`;
  }
  return needed > 0 ? `It would wait for ${counted(needed, "approval")}.` : "It would be done at once.";
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
