import type { Comparison } from "./comparison.ts";
import type { Usage } from "./counts.ts";
import type { LivesUsage } from "./lives.ts";
import { dollarsPerMillion } from "./prices.ts";
import { table } from "./table.ts";

/** The most rows that an unkeyed life is to write. */
export const rowsWrittenAim = 12;

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

function aimText({ minThroughput, maxP50, met }: NonNullable<Comparison["aim"]>): string {
  const latency = maxP50 === undefined ? "" : `, p50 <= ${maxP50}`;
  return `req/s >= ${minThroughput}${latency}: ${met ? "met" : "missed"}`;
}

/** What one life uses and a million of them cost, for people. */
export function livesTable({ together, alone, lives }: LivesUsage): string {
  const row = (name: string, value: (usage: Usage) => number, digits = 2) => [
    name,
    ...[together, alone].map((usage) => value(usage).toFixed(digits)),
  ];
  const rows = (part: (usage: Usage) => Record<string, number>) =>
    [...new Set([...Object.keys(part(together)), ...Object.keys(part(alone))])]
      .sort()
      .map((name) => row(`  ${name}`, (usage) => part(usage)[name] ?? 0));
  const met = together.rowsWritten <= rowsWrittenAim && alone.rowsWritten <= rowsWrittenAim;
  return [
    table([
      ["one life of an unkeyed backend", `${lives} at once`, "alone"],
      row("Worker requests", ({ workerRequests }) => workerRequests),
      row("Durable Object requests", ({ objectRequests }) => objectRequests),
      ...rows(({ objectCalls }) => objectCalls),
      row("rows read", ({ rowsRead }) => rowsRead),
      row("rows written", ({ rowsWritten }) => rowsWritten),
      ...rows(({ rowsWrittenBy }) => rowsWrittenBy),
      row("US$ per million lives", dollarsPerMillion),
    ]),
    `aim: at most ${rowsWrittenAim} rows written: ${met ? "met" : "missed"}`,
    "Not counted: the row that is deleted when the ended backend is forgotten, after 30 days.",
  ].join("\n");
}
