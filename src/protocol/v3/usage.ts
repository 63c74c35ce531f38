import { z } from "zod";
import { usageMinuteMs, usagePointsMax, usageStepsMax } from "../../domain/limits.ts";
import type { EnvironmentUsage, UsageRange, UsageTotals } from "../../domain/usage/usage.ts";
import { isoTime, time, timestamp } from "../primitives.ts";

const shownByDefaultMs = 60 * usageMinuteMs;

/** `GET …/services/{service}/usage`. */
export const usageQuery = z.strictObject({
  from: time.optional().describe("An hour before `to` when left out"),
  to: time.optional().describe("Now when left out"),
  step_seconds: z.coerce
    .number()
    .pipe(z.int().positive())
    .default(usageMinuteMs / 1000)
    .describe(
      `Whole minutes; the range has at most ${usageStepsMax} steps, and ${usagePointsMax} in all environments together`,
    ),
});
export type UsageQueryParameters = z.infer<typeof usageQuery>;

const totals = {
  spawned: z.int().describe("Backends that were started"),
  reused: z.int().describe("Connects that got the live backend of their key"),
  refused: z.int().describe("Connects refused by a policy, for want of an image, by the cluster"),
  ready: z.int().describe("Backends that became ready"),
  failed: z.int().describe("Backends that ended without having been ready"),
};

const environmentUsage = z
  .object({
    environment: z.string(),
    points: z.array(z.object({ at: timestamp.describe("Where the step begins"), ...totals })),
    totals: z.object(totals),
    startup: z
      .object({ count: z.int(), p50_ms: z.int(), p90_ms: z.int(), p99_ms: z.int() })
      .nullable()
      .describe("From scheduled to ready, of the backends that became ready; null where none did"),
  })
  .meta({ id: "EnvironmentUsage" });

/** What each environment did in each step of the range, and in all of it. Durations in milliseconds. */
export const usageAnswer = z
  .object({ step_seconds: z.int(), environments: z.array(environmentUsage) })
  .meta({ id: "Usage" });
export type UsageAnswer = z.infer<typeof usageAnswer>;

/**
 * The range that a query names, whose limits are not checked here (`usageSteps` in src/domain/usage/usage.ts).
 * @param now milliseconds since the epoch, as the range's times
 */
export function usageRange(query: UsageQueryParameters, now: number): UsageRange {
  const to = query.to === undefined ? now : Date.parse(query.to);
  const from = query.from === undefined ? to - shownByDefaultMs : Date.parse(query.from);
  return { from, to, stepMs: query.step_seconds * 1000 };
}

/** Renders usage. @param stepSeconds as the query had it */
export function usageView(usage: readonly EnvironmentUsage[], stepSeconds: number): UsageAnswer {
  return {
    step_seconds: stepSeconds,
    environments: usage.map(({ environment, points, totals, startup }) => ({
      environment,
      points: points.map(({ at, ...point }) => ({ at: isoTime(at), ...totalsView(point) })),
      totals: totalsView(totals),
      startup: startup && {
        count: startup.count,
        p50_ms: startup.p50Ms,
        p90_ms: startup.p90Ms,
        p99_ms: startup.p99Ms,
      },
    })),
  };
}

function totalsView({ spawned, reused, refused, ready, failed }: UsageTotals): UsageTotals {
  return { spawned, reused, refused, ready, failed };
}
