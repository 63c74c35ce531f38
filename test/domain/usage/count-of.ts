import type { StartupHistogram } from "../../../src/domain/usage/startup-histogram.ts";
import { noUsage, type UsageCounts, type UsageEvent } from "../../../src/domain/usage/usage.ts";

/** One event as counts. @param startup how long it took to become ready, where that is the event */
export function countOf(event: UsageEvent, startup: StartupHistogram = new Map()): UsageCounts {
  return { totals: { ...noUsage.totals, [event]: 1 }, startup };
}
