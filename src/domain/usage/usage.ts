import { type BackendStatus, isConnectable, statusRank } from "../backends/status.ts";
import type { ErrorCode } from "../errors.ts";
import { usageKeptMs, usageMinuteMs, usagePointsMax, usageStepsMax } from "../limits.ts";
import { fail, ok, type Result } from "../result.ts";
import {
  mergeHistograms,
  type StartupHistogram,
  type StartupTimes,
  startupBuckets,
  startupTimes,
} from "./startup-histogram.ts";

/** What is counted for an environment, in the order in which it is stored. */
export const usageEvents = [
  /** A backend was started. It then becomes `ready` or `failed`. */
  "spawned",
  /** A connect got the live holder of its key. */
  "reused",
  /**
   * A connect was refused for a reason that lies in the system; where the cluster refused it, a backend had been `spawned`
   * for it, which `failed`.
   */
  "refused",
  /** A backend answers. */
  "ready",
  /** A backend ended, or was terminated, before it was ready. */
  "failed",
] as const;
/** One of the things that are counted. */
export type UsageEvent = (typeof usageEvents)[number];

/** How often each of them happened. */
export type UsageTotals = Record<UsageEvent, number>;

/** What happened in some stretch of time, with how long start-ups took. */
export interface UsageCounts {
  totals: Readonly<UsageTotals>;
  /** From scheduled to ready, of the backends that became ready. */
  startup: StartupHistogram;
}

/** Nothing happened. */
export const noUsage: UsageCounts = { totals: totalsOf(() => 0), startup: new Map() };

/** The counts of two stretches of time together. */
export function mergeUsage(a: UsageCounts, b: UsageCounts): UsageCounts {
  return {
    totals: totalsOf((event) => a.totals[event] + b.totals[event]),
    startup: mergeHistograms(a.startup, b.startup),
  };
}

/**
 * What a step of a backend's life counts as; null for nothing. Each backend counts once at most, since its status never
 * goes back.
 * @example eventOfStep("waiting", "terminated") // "failed"
 */
export function eventOfStep(from: BackendStatus, to: BackendStatus): "ready" | "failed" | null {
  if (statusRank(from) >= statusRank("ready") || statusRank(to) < statusRank("ready")) return null;
  return isConnectable(to) ? "ready" : "failed";
}

/** Failures of a connect that are its caller's, or that answer a mere question (`key_not_held`). */
const notRefusals: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "bad_request",
  "environment_required",
  "unauthorized",
  "forbidden",
  "account_not_found",
  "service_not_found",
  "environment_not_found",
  "key_not_held",
  "idempotency_in_progress",
  "idempotency_mismatch",
  "internal_error",
]);

/** Whether a connect that failed with `code` counts as refused. */
export function isRefusal(code: ErrorCode): boolean {
  return !notRefusals.has(code);
}

/** The beginning of the minute that a time lies in; both in milliseconds since the epoch. */
export function minuteOf(time: number): number {
  return Math.floor(time / usageMinuteMs) * usageMinuteMs;
}

const storedForm = /^1((?: \d{1,15}){5})((?: \d{1,3}:\d{1,15})*)$/;

/**
 * Counts as they are stored: the form's version, the totals in the order of `usageEvents`, and `bucket:count` for each
 * bucket that has any.
 * @example "1 2 0 0 1 0 43:1" // two spawns, of which one became ready
 */
export function encodeUsage({ totals, startup }: UsageCounts): string {
  const buckets = [...startup].sort(([a], [b]) => a - b).map(([bucket, count]) => `${bucket}:${count}`);
  return ["1", ...usageEvents.map((event) => totals[event]), ...buckets].join(" ");
}

/** Reads what `encodeUsage` wrote; null for anything else. */
export function decodeUsage(text: string): UsageCounts | null {
  const parsed = storedForm.exec(text);
  if (!parsed) return null;
  const numbers = (parsed[1] ?? "").trim().split(" ").map(Number);
  const startup = new Map<number, number>();
  for (const pair of (parsed[2] ?? "").split(" ").slice(1)) {
    const [bucket = 0, count = 0] = pair.split(":").map(Number);
    if (bucket >= startupBuckets || startup.has(bucket)) return null;
    startup.set(bucket, count);
  }
  return { totals: totalsOf((_, i) => numbers[i] ?? 0), startup };
}

/** A stretch of time in steps. Times in milliseconds since the epoch; `from` is included, `to` is not. */
export interface UsageRange {
  from: number;
  to: number;
  stepMs: number;
}

/** Whole steps that cover a requested range. */
export interface UsageSteps {
  from: number;
  stepMs: number;
  count: number;
}

/**
 * Rounds a range to whole steps, `from` down and `to` up.
 * @returns `bad_request` for a range that is none, is too long, or has too many steps
 */
export function usageSteps({ from, to, stepMs }: UsageRange): Result<UsageSteps> {
  if (![from, to, stepMs].every(Number.isSafeInteger)) {
    return fail("bad_request", "`from`, `to` and the step are whole milliseconds");
  }
  if (stepMs < usageMinuteMs || stepMs > usageKeptMs || stepMs % usageMinuteMs !== 0) {
    return fail("bad_request", "a step is a whole number of minutes, from one minute to 30 days");
  }
  if (from < 0) return fail("bad_request", "`from` must not be before 1970");
  if (from >= to) return fail("bad_request", "`from` must be before `to`");
  if (to - from > usageKeptMs) {
    return fail("bad_request", "`from` and `to` may be at most 30 days apart");
  }
  const start = Math.floor(from / stepMs) * stepMs;
  const count = Math.ceil((to - start) / stepMs);
  if (count > usageStepsMax) {
    return fail(
      "bad_request",
      `${count} steps are too many, ${usageStepsMax} are answered at most; ask for longer steps or a shorter range`,
    );
  }
  return ok({ from: start, stepMs, count });
}

/** The refusal of a range whose steps are too many for all environments together. */
export function tooManyPoints(environments: number, steps: number) {
  return fail(
    "bad_request",
    `${steps} steps of ${environments} environments are too many, ${usagePointsMax} are answered in all; ask for longer steps or a shorter range`,
  );
}

/** What happened in one step. */
export interface UsagePoint extends UsageTotals {
  /** Where the step begins, in milliseconds since the epoch. */
  at: number;
}

/** What happened in an environment in a stretch of time. */
export interface EnvironmentUsage {
  environment: string;
  /** One for each step, oldest first. */
  points: UsagePoint[];
  totals: UsageTotals;
  /** Of the backends that became ready in the whole range; null where none did. */
  startup: StartupTimes | null;
}

/** Sums one environment's minutes and hours up by steps. What begins outside of the steps is left out. */
export function usageOf(
  environment: string,
  stretches: Iterable<{ at: number; counts: UsageCounts }>,
  { from, stepMs, count }: UsageSteps,
): EnvironmentUsage {
  const points = Array.from({ length: count }, (_, i) => ({ at: from + i * stepMs, ...noUsage.totals }));
  const totals = { ...noUsage.totals };
  const startup = new Map<number, number>();
  for (const { at, counts } of stretches) {
    const point = points[Math.floor((at - from) / stepMs)];
    if (!point) continue;
    for (const event of usageEvents) {
      point[event] += counts.totals[event];
      totals[event] += counts.totals[event];
    }
    for (const [bucket, n] of counts.startup) startup.set(bucket, (startup.get(bucket) ?? 0) + n);
  }
  return { environment, points, totals, startup: startupTimes(startup) };
}

function totalsOf(numberOf: (event: UsageEvent, index: number) => number): UsageTotals {
  return {
    spawned: numberOf("spawned", 0),
    reused: numberOf("reused", 1),
    refused: numberOf("refused", 2),
    ready: numberOf("ready", 3),
    failed: numberOf("failed", 4),
  };
}
