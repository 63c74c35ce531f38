import { nextToTerminate } from "../backends/mass-termination.ts";
import { type BackendStatus, isConnectable } from "../backends/status.ts";
import { drainHeldUpShown, drainLooksEveryMs, drainRateMax, softTerminationGraceSeconds } from "../limits.ts";

/** How far a drain is. */
export const drainStates = [
  /** Some of what it means may still run. */
  "draining",
  /** All of it has been seen to end. */
  "drained",
  /** It ends nothing any more: what it has not ended goes on. */
  "cancelled",
] as const;
/** One of these. */
export type DrainState = (typeof drainStates)[number];

/** Why a drain was cancelled. */
export const drainCancelReasons = [
  /** Somebody has cancelled it. */
  "requested",
  /** What it was to end is what an environment runs again. */
  "digest_current",
  /** All backends of the service end, at once. */
  "service_deleted",
] as const;
/** One of these. */
export type DrainCancelReason = (typeof drainCancelReasons)[number];

/** Which backends a drain means. */
export interface DrainScope {
  /** Only those of these environments; null: of all. */
  environments: readonly string[] | null;
  /** Only those that run it; null: whatever they run, but for what their environment resolves to. */
  digest: string | null;
  /** Only those that were created before, in milliseconds since the epoch; null: at any time. */
  createdBefore: number | null;
  /** Only those that are no newer. */
  lastFencingToken: number;
  keep: { keys: ReadonlySet<string>; backends: ReadonlySet<string> };
}

/** How fast a drain goes, and when it ends what is in use. Times in milliseconds since the epoch. */
export interface DrainPlan {
  ratePerMinute: number;
  /** From when on the next may be ended. */
  nextAt: number;
  /** From when on sessions without a key are ended though they are in use; null: never. */
  endsUsedAt: number | null;
}

/** A backend as a drain sees it. */
export interface DrainBackend {
  id: string;
  environment: string;
  cluster: string;
  key: string | null;
  digest: string;
  fencing_token: number;
  /** Milliseconds since the epoch, as `held_at`. */
  created_at: number;
  status: BackendStatus;
  /** Since when nobody knows whether it runs; null where that is known. */
  held_at: number | null;
}

/** What an environment resolves to now. */
type Resolves = (environment: string) => string | null | undefined;

/**
 * Whether a drain is about a backend that has not ended, be it one that it leaves. What an environment runs now is never drained: a drain
 * of a digest is over when one does, and any other leaves that out.
 */
export function isInScope(
  { environments, digest, createdBefore, lastFencingToken }: DrainScope,
  backend: DrainBackend,
  resolves: Resolves,
): boolean {
  return (
    backend.status !== "terminated" &&
    backend.fencing_token <= lastFencingToken &&
    (digest === null ? resolves(backend.environment) !== backend.digest : backend.digest === digest) &&
    (createdBefore === null || backend.created_at < createdBefore) &&
    (environments === null || environments.includes(backend.environment))
  );
}

/** Whether a drain leaves a backend that it is about. */
export function isLeft({ keep }: DrainScope, { id, key }: Pick<DrainBackend, "id" | "key">): boolean {
  return keep.backends.has(id) || (key !== null && keep.keys.has(key));
}

/** Whether a drain is to end a backend, and counts it. */
export function isMeant(scope: DrainScope, backend: DrainBackend, resolves: Resolves): boolean {
  return isInScope(scope, backend, resolves) && !isLeft(scope, backend);
}

/** So many at once, no sooner than so long after those before. */
export interface Pace {
  atOnce: number;
  everyMs: number;
}

/**
 * The pace that keeps a rate: in no minute, wherever it begins, are there more. From a second on each one has a moment of its own.
 * @example drainPace(60) // { atOnce: 1, everyMs: 1000 }
 */
export function drainPace(ratePerMinute: number): Pace {
  const rate = Math.min(ratePerMinute, drainRateMax);
  const atOnce = Math.max(1, Math.floor(rate / 60));
  return { atOnce, everyMs: Math.ceil(60_000 / Math.floor(rate / atOnce)) };
}

/** What a drain depends on beside its backends. */
export interface DrainFacts {
  /** Whether a backend is known to have had no connection for a while. */
  isIdle(backend: DrainBackend): boolean;
  /** Milliseconds since the epoch. */
  now: number;
}

/** Whether the time of a backend that is not ending has come: that of one with a key always has; of what is in use without one, in the end. */
function isDue({ endsUsedAt }: DrainPlan, backend: DrainBackend, { isIdle, now }: DrainFacts): boolean {
  return backend.key !== null || (endsUsedAt !== null && now >= endsUsedAt) || isIdle(backend);
}

/** What a drain does next. Times in milliseconds since the epoch. */
export interface DrainStep {
  /** The backends that it ends now. */
  ends: string[];
  /** From when on it may end the next. */
  nextAt: number;
  /** When to look again; null: what is left ends without it. */
  lookAt: number | null;
}

/**
 * The next step of a drain: as many as its rate allows, the oldest first. A cluster that has not received the ends before is sent no more
 * until it has: one that was away for a while would else receive them all at once.
 * @param meant what it means and lives, the oldest first
 * @param pending how many ends of this drain each cluster has yet to receive that are in their grace
 */
export function nextDrainStep(
  meant: readonly DrainBackend[],
  plan: DrainPlan,
  facts: DrainFacts & { pending: ReadonlyMap<string, number> },
): DrainStep {
  const { now, pending } = facts;
  const { nextAt, ratePerMinute, endsUsedAt } = plan;
  const left = meant.filter(({ status }) => isConnectable(status));
  if (left.length === 0) return { ends: [], nextAt, lookAt: null };
  if (now < nextAt) return { ends: [], nextAt, lookAt: nextAt };
  const { atOnce, everyMs } = drainPace(ratePerMinute);
  const due = left.filter((backend) => isDue(plan, backend, facts));
  const ends = nextToTerminate(due, pending, atOnce).slice(0, atOnce);
  const isMoreDue = due.length > ends.length;
  const next = ends.length > 0 ? now + everyMs : nextAt;
  if (isMoreDue) {
    // Where a cluster is sent no more for now, that is looked at again before long.
    return {
      ends,
      nextAt: next,
      lookAt: now + (ends.length > 0 ? everyMs : Math.min(everyMs, drainLooksEveryMs)),
    };
  }
  if (left.length === ends.length) return { ends, nextAt: next, lookAt: null };
  const look = now + Math.max(drainLooksEveryMs, everyMs);
  return {
    ends,
    nextAt: next,
    lookAt: endsUsedAt === null ? look : Math.min(look, Math.max(endsUsedAt, next)),
  };
}

/** How a drain stands. Times in milliseconds since the epoch. */
export interface DrainSurvey {
  live: number;
  /** When the oldest that lives was created; null where none does. */
  oldestStartedAt: number | null;
  /** Those for which nothing can be done but wait: in use without a key, or nobody knows whether they run. The first of them. */
  heldUpBy: { count: number; backends: string[] };
  /** When the last one is expected to have ended; null where that cannot be said, or none lives. */
  eta: number | null;
}

/**
 * How a drain stands with what it means and lives, the oldest first. Its end is estimated from its rate and, of what has to become idle, from how long
 * sessions live in its environment.
 * @param lifetimeIn milliseconds; null where none was seen to end
 */
export function surveyDrain(
  meant: readonly DrainBackend[],
  plan: DrainPlan,
  facts: DrainFacts & { lifetimeIn(environment: string): number | null },
): DrainSurvey {
  const left = meant.filter(({ status }) => isConnectable(status));
  const used = left.filter((backend) => !isDue(plan, backend, facts));
  const unseen = meant.filter(({ held_at: heldAt }) => heldAt !== null);
  const holding = [...new Set([...unseen, ...used].map(({ id }) => id))];
  return {
    live: meant.length,
    oldestStartedAt: meant[0]?.created_at ?? null,
    heldUpBy: { count: holding.length, backends: holding.slice(0, drainHeldUpShown) },
    eta: meant.length === 0 || unseen.length > 0 ? null : etaOf(left.length, used, plan, facts),
  };
}

function etaOf(
  left: number,
  used: readonly DrainBackend[],
  { ratePerMinute, nextAt, endsUsedAt }: DrainPlan,
  { lifetimeIn, now }: DrainFacts & { lifetimeIn(environment: string): number | null },
): number | null {
  const { atOnce, everyMs } = drainPace(ratePerMinute);
  const turns = Math.ceil(left / atOnce);
  let lastAt = turns === 0 ? now : Math.max(now, nextAt) + (turns - 1) * everyMs;
  for (const { environment, created_at: createdAt } of used) {
    const lifetime = lifetimeIn(environment);
    if (lifetime === null && endsUsedAt === null) return null;
    const byItself = lifetime === null ? Number.POSITIVE_INFINITY : createdAt + lifetime;
    lastAt = Math.max(lastAt, Math.min(byItself, endsUsedAt ?? byItself));
  }
  return lastAt + softTerminationGraceSeconds * 1000;
}
