import type { Comparison } from "./comparison.ts";
import type { Usage } from "./counts.ts";
import { type GcPauses, longestPauseAimMs } from "./gc.ts";
import type { LivesUsage } from "./lives.ts";
import { dollarsPerMillion } from "./prices.ts";
import { table } from "./table.ts";

/** What a life is to write at most, and a million of them are to cost in US dollars. */
const livesAims = {
  together: { rowsWritten: 8, dollars: 12 },
  keyed: { rowsWritten: 10, dollars: 15 },
};

/** Throughput and latencies beside their floors, for people. */
export function comparisonTable(comparisons: readonly Comparison[]): string {
  const head = [
    "what, against a floor of",
    ...["req/s", "floor", "ratio", "p50 ms", "floor", "ratio", "p99 ms", "floor", "ratio"],
    ...["cpu ms", "floor", "ratio", "aim"],
  ];
  return table([
    head,
    ...comparisons.map(({ scenario, floor, subject, floorResult, ratio, aim }) => [
      `${scenario}: ${floor}`,
      ...[subject.perSecond.toFixed(0), floorResult.perSecond.toFixed(0), ratio.perSecond.toFixed(2)],
      ...[subject.p50Ms.toFixed(1), floorResult.p50Ms.toFixed(1), ratio.p50Ms.toFixed(2)],
      ...[subject.p99Ms.toFixed(1), floorResult.p99Ms.toFixed(1), ratio.p99Ms.toFixed(2)],
      ...[subject.cpuMs.toFixed(2), floorResult.cpuMs.toFixed(2), ratio.cpuMs.toFixed(2)],
      aim === undefined ? "" : aimText(aim),
    ]),
  ]);
}

function aimText({
  minThroughput,
  maxCpuRatio,
  maxCpuMs,
  maxP99Ms,
  missed,
}: NonNullable<Comparison["aim"]>): string {
  const aims = [
    `req/s >= ${minThroughput}`,
    ...(maxCpuRatio === undefined ? [] : [`cpu <= ${maxCpuRatio}`]),
    ...(maxCpuMs === undefined ? [] : [`cpu ms <= ${maxCpuMs}`]),
    ...(maxP99Ms === undefined ? [] : [`p99 ms <= ${maxP99Ms}`]),
  ];
  return `${aims.join(", ")}: ${missed.length === 0 ? "met" : `misses ${missed.join(", ")}`}`;
}

/** How long garbage was collected meanwhile, for people. */
export function gcTable(comparisons: readonly Comparison[]): string {
  const cells = (gc: GcPauses | null) =>
    gc === null ? ["?", "?", "?"] : [gc.count.toFixed(0), gc.totalMs.toFixed(0), gc.longestMs.toFixed(0)];
  const met = comparisons.every(({ subject }) => (subject.gc?.longestMs ?? 0) <= longestPauseAimMs);
  return [
    table([
      [
        "pauses for garbage, per 10,000 requests",
        "number",
        "in all ms",
        "longest ms",
        ...["floor", "in all ms", "longest ms"],
      ],
      ...comparisons.map(({ scenario, floor, subject, floorResult }) => [
        `${scenario}: ${floor}`,
        ...cells(subject.gc),
        ...cells(floorResult.gc),
      ]),
    ]),
    `aim: none longer than ${longestPauseAimMs} ms: ${met ? "met" : "missed"}`,
  ].join("\n");
}

/** What one life uses and a million of them cost, for people. */
export function livesTable({ lives, ...usages }: LivesUsage): string {
  const { together, keyed, alone } = usages;
  const columns = [together, keyed, alone];
  const row = (name: string, value: (usage: Usage) => number) => [
    name,
    ...columns.map((usage) => value(usage).toFixed(2)),
  ];
  const rows = (part: (usage: Usage) => Record<string, number>) =>
    [...new Set(columns.flatMap((usage) => Object.keys(part(usage))))]
      .sort()
      .map((name) => row(`  ${name}`, (usage) => part(usage)[name] ?? 0));
  const aims = (["together", "keyed"] as const).map((name) => {
    const { rowsWritten, dollars } = livesAims[name];
    const met = usages[name].rowsWritten <= rowsWritten && dollarsPerMillion(usages[name]) <= dollars;
    return `${rowsWritten} rows, $${dollars}: ${met ? "met" : "missed"}`;
  });
  return [
    table([
      ["one life", `${lives} at once`, "with keys", "alone"],
      row("Worker requests", ({ workerRequests }) => workerRequests),
      row("Durable Object requests", ({ objectRequests }) => objectRequests),
      ...rows(({ objectCalls }) => objectCalls),
      row("rows read", ({ rowsRead }) => rowsRead),
      row("rows written", ({ rowsWritten }) => rowsWritten),
      ...rows(({ rowsWrittenBy }) => rowsWrittenBy),
      row("US$ per million lives", dollarsPerMillion),
      ["aim", ...aims, ""],
    ]),
    "Not counted: the row that is deleted when the ended backend is forgotten, after 30 days.",
  ].join("\n");
}
