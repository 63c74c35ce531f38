import { defaultMinSamples, type Gates } from "./gates.ts";
import type { Changers, Protection } from "./protection.ts";
import type { FreezeWindow } from "./window-times.ts";

/**
 * Whether other settings let through what these would have kept out, in any one respect. What is weaker in one and stronger in
 * another is weaker.
 * @param before the protection as it is
 * @param after as it would be
 */
export function isWeaker(before: Protection, after: Protection): boolean {
  return (
    areGatesWeaker(before.gates, after.gates) ||
    areChangersWider(before.changers, after.changers) ||
    (before.require_digest === true && after.require_digest !== true) ||
    (before.allow_spawn_tag === false && after.allow_spawn_tag !== false) ||
    (before.follow === "candidate" && after.follow !== "candidate") ||
    (before.approvals ?? 0) > (after.approvals ?? 0) ||
    areWindowsWider(before.windows ?? [], after.windows ?? []) ||
    (before.emergency_rollback === false && after.emergency_rollback !== false)
  );
}

function areGatesWeaker(before: Gates = {}, after: Gates = {}): boolean {
  const limitsShare = before.max_failed_share !== undefined;
  return (
    areUpstreamsWider(before, after) ||
    (before.min_ready ?? 0) > (after.min_ready ?? 0) ||
    (before.max_failed_share ?? 1) < (after.max_failed_share ?? 1) ||
    (limitsShare && (before.min_samples ?? defaultMinSamples) > (after.min_samples ?? defaultMinSamples)) ||
    (before.soak_seconds ?? 0) > (after.soak_seconds ?? 0) ||
    !isIn(before.checks ?? [], after.checks ?? [])
  );
}

function areUpstreamsWider(before: Gates, after: Gates): boolean {
  if (before.from === undefined) return false;
  if (after.from === undefined) return true;
  if (before.match !== "all") return !isIn(after.from, before.from);
  if (after.match === "all") return !isIn(before.from, after.from);
  return before.from.length > 1 || !isIn(after.from, before.from);
}

function areChangersWider(before: Changers | undefined, after: Changers | undefined): boolean {
  if (before === undefined) return false;
  if (after === undefined) return true;
  return !isIn(after.roles ?? [], before.roles ?? []) || !isIn(after.tokens ?? [], before.tokens ?? []);
}

function areWindowsWider(before: readonly FreezeWindow[], after: readonly FreezeWindow[]): boolean {
  const of = (windows: readonly FreezeWindow[], effect: FreezeWindow["effect"]) =>
    windows.filter((window) => window.effect === effect).map((window) => JSON.stringify(window));
  if (!isIn(of(before, "deny"), of(after, "deny"))) return true;
  const allowed = of(before, "allow");
  if (allowed.length === 0) return false;
  const stillAllowed = of(after, "allow");
  return stillAllowed.length === 0 || !isIn(stillAllowed, allowed);
}

function isIn(some: readonly string[], all: readonly string[]): boolean {
  return some.every((one) => all.includes(one));
}
