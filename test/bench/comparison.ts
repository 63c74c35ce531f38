import type { Bundle } from "./bundle.ts";
import { type GcPauses, gcPauses, overRounds } from "./gc.ts";
import { measureLoad } from "./load.ts";
import type { LoadRequest } from "./load-protocol.ts";
import type { Sandbox } from "./sandbox.ts";
import { type Aim, type FloorName, floorRequest, type Scenario } from "./scenarios.ts";
import { median } from "./statistics.ts";
import { setUpSubject, subjectTexts } from "./subject.ts";
import { startWorkerd, type Workerd } from "./workerd.ts";

export interface Measures {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** workerd's processor time for one request; NaN where it is not known. */
  cpuMs: number;
}

/** The same of one side of a comparison. */
export interface SideMeasures extends Measures {
  /** Null where it is not known. */
  gc: GcPauses | null;
}

/** What a comparison runs with. */
export interface Bench {
  sandbox: Sandbox;
  floor: Bundle;
  subject: Bundle;
  webhookUrl: string;
  seconds: number;
  rounds: number;
  connections: number;
}

export interface Comparison {
  scenario: Scenario["name"];
  floor: FloorName;
  subject: SideMeasures;
  floorResult: SideMeasures;
  /** The medians of the rounds' own ratios: a disturbance of the machine affects both sides of a round. */
  ratio: Measures;
  /** With what of it is missed. */
  aim?: Aim & { met: boolean; missed: string[] };
}

const warmUpMs = 1_000;

/**
 * Floors and subject take turns. Every turn has a fresh process on fresh state, so that none starts with the
 * backends that an earlier one left alive; within a turn they pile up, on both sides.
 */
export async function compare(
  bench: Bench,
  scenario: Scenario,
  onProgress: (text: string) => void,
): Promise<Comparison[]> {
  const subject: SideMeasures[] = [];
  const floors = new Map<FloorName, SideMeasures[]>(scenario.floors.map((floor) => [floor, []]));
  for (let round = 1; round <= bench.rounds; round++) {
    for (const [floor, results] of floors) results.push(await floorTurn(bench, floor));
    subject.push(await subjectTurn(bench, scenario));
    const latest = [...[...floors.values()].map((results) => results.at(-1)), subject.at(-1)];
    const rates = latest.map((result) => result?.perSecond.toFixed(0)).join(", ");
    onProgress(`${scenario.name} ${round}/${bench.rounds}: ${rates} requests/s`);
  }
  return [...floors].map(([floor, results]) => summary(scenario, floor, results, subject));
}

async function floorTurn(bench: Bench, floor: FloorName): Promise<SideMeasures> {
  const workerd = await startWorkerd(
    bench.sandbox,
    bench.floor,
    { WEBHOOK_URL: bench.webhookUrl },
    { traceGc: true },
  );
  try {
    return await load(bench, workerd, [floorRequest(floor)]);
  } finally {
    await workerd.stop();
  }
}

async function subjectTurn(bench: Bench, scenario: Scenario): Promise<SideMeasures> {
  const workerd = await startWorkerd(bench.sandbox, bench.subject, await subjectTexts(), { traceGc: true });
  try {
    const subject = await setUpSubject(workerd.origin, bench.webhookUrl);
    return await load(bench, workerd, await scenario.prepare(subject));
  } finally {
    await workerd.stop();
  }
}

async function load(bench: Bench, workerd: Workerd, requests: LoadRequest[]): Promise<SideMeasures> {
  const { connections, seconds } = bench;
  const { origin } = workerd;
  const before = await workerd.cpuMs();
  const pausesBefore = workerd.pausesMs()?.length;
  const plan = { origin, connections, warmUpMs, measureMs: seconds * 1000, requests };
  const { sent, ...measured } = await measureLoad(bench.sandbox, plan);
  const cpuMs = ((await workerd.cpuMs()) - before) / sent;
  const pauses = workerd.pausesMs()?.slice(pausesBefore);
  return { ...measured, cpuMs, gc: pauses ? gcPauses(pauses, sent) : null };
}

function summary(
  scenario: Scenario,
  floor: FloorName,
  floorResults: readonly SideMeasures[],
  subjectResults: readonly SideMeasures[],
): Comparison {
  const ratio = medians(
    subjectResults.flatMap((result, round) => {
      const floorResult = floorResults[round];
      return floorResult === undefined ? [] : combine(result, floorResult, (a, b) => a / b);
    }),
  );
  const aim = scenario.aims[floor];
  const compared = {
    scenario: scenario.name,
    floor,
    subject: sideMedians(subjectResults),
    floorResult: sideMedians(floorResults),
    ratio,
  };
  if (aim === undefined) return compared;
  const missed = missedOf(aim, compared.subject, ratio);
  return { ...compared, aim: { ...aim, met: missed.length === 0, missed } };
}

function missedOf(aim: Aim, subject: SideMeasures, ratio: Measures): string[] {
  const { minThroughput, maxCpuRatio, maxCpuMs, maxP99Ms } = aim;
  return [
    ...(ratio.perSecond < minThroughput ? ["req/s"] : []),
    ...(maxCpuRatio !== undefined && ratio.cpuMs > maxCpuRatio ? ["cpu"] : []),
    ...(maxCpuMs !== undefined && subject.cpuMs > maxCpuMs ? ["cpu ms"] : []),
    ...(maxP99Ms !== undefined && subject.p99Ms > maxP99Ms ? ["p99"] : []),
  ];
}

function sideMedians(results: readonly SideMeasures[]): SideMeasures {
  const known = results.flatMap(({ gc }) => gc ?? []);
  return { ...medians(results), gc: known.length === 0 ? null : overRounds(known) };
}

function medians(results: readonly Measures[]): Measures {
  return {
    perSecond: median(results.map(({ perSecond }) => perSecond)),
    p50Ms: median(results.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(results.map(({ p99Ms }) => p99Ms)),
    cpuMs: median(results.map(({ cpuMs }) => cpuMs)),
  };
}

function combine(a: Measures, b: Measures, how: (a: number, b: number) => number): Measures {
  return {
    perSecond: how(a.perSecond, b.perSecond),
    p50Ms: how(a.p50Ms, b.p50Ms),
    p99Ms: how(a.p99Ms, b.p99Ms),
    cpuMs: how(a.cpuMs, b.cpuMs),
  };
}
