import { type Deployment, startDeployment } from "../deployment.ts";
import type { Sandbox } from "../sandbox.ts";
import { median, quantile } from "../statistics.ts";
import { type BenchAgent, startAgent } from "./agent.ts";
import { end, passTo } from "./client.ts";
import { pushServer } from "./image.ts";
import { durationsOf, type Passage, type Phase, phases, totalMs } from "./passage.ts";
import { openPlace, type Place, type RuntimeName, runtimes, whyNot } from "./places.ts";

/** Clients that connect at one instant, each with another key. */
const clientsAtOnce = 4;
const warmUps = 8;
const warmTag = "latest";
const coldTag = "cold";

export interface FirstByte {
  runtime: RuntimeName;
  what: "one at a time" | "4 at once" | "image not pulled yet";
  backends: number;
  p50Ms: number;
  p99Ms: number;
  /** Until the client had the answer to its `connect`. */
  answeredP50Ms: number;
  /** In their order. `share` is of the sum of all passages. */
  phases: { phase: Phase; p50Ms: number; share: number }[];
}

export interface FirstBytes {
  results: FirstByte[];
  /** The runtimes that were skipped, and why. */
  skipped: { runtime: RuntimeName; why: string }[];
}

/** A control plane, an agent and what its backends run in. */
interface System {
  deployment: Deployment;
  agent: BenchAgent;
  place: Place;
}

/**
 * Measures from `connect` to the first byte that a new backend answers, in each runtime that this machine has.
 * @param backends how many are measured in each way in the process runtime; in docker half as many
 */
export async function measureFirstBytes(
  sandbox: Sandbox,
  { backends }: { backends: number },
  onProgress: (text: string) => void,
): Promise<FirstBytes> {
  const results: FirstByte[] = [];
  const skipped: FirstBytes["skipped"] = [];
  for (const runtime of runtimes) {
    const why = whyNot(runtime);
    if (why !== null) {
      skipped.push({ runtime, why });
      continue;
    }
    const count = runtime === "docker" ? Math.ceil(backends / 2) : backends;
    for await (const result of measureRuntime(sandbox, runtime, count)) {
      onProgress(`first-byte: ${runtime}, ${result.what}: p50 ${result.p50Ms.toFixed(0)} ms`);
      results.push(result);
    }
  }
  return { results, skipped };
}

async function* measureRuntime(sandbox: Sandbox, runtime: RuntimeName, count: number) {
  await using place = await openPlace(runtime);
  await using deployment = await startDeployment(sandbox);
  await using agent = await startAgent(sandbox, deployment, place.agentEnv);
  const system = { deployment, agent, place };
  await pushServer(deployment, warmTag);
  // No environment is pinned to it, so that no agent pulls it ahead.
  await pushServer(deployment, coldTag);
  await passages(system, warmTag, warmUps, 1);
  yield summary(runtime, "image not pulled yet", await passages(system, coldTag, 1, 1));
  yield summary(runtime, "one at a time", await passages(system, warmTag, count, 1));
  yield summary(runtime, "4 at once", await passages(system, warmTag, count, clientsAtOnce));
}

/** At least `count` of them, `atOnce` at a time; ended backends are removed before the next start. */
async function passages(
  { deployment, agent, place }: System,
  tag: string,
  count: number,
  atOnce: number,
): Promise<Passage[]> {
  const passed: Passage[] = [];
  const spawn = { tag, executable: { env: place.backendEnv } };
  while (passed.length < count) {
    const begun = await Promise.all(Array.from({ length: atOnce }, () => passTo(deployment, agent, spawn)));
    passed.push(...begun.map(({ passage }) => passage));
    await Promise.all(begun.map(({ backendId }) => end(deployment, agent, backendId)));
    await place.cleared();
  }
  return passed;
}

function summary(runtime: RuntimeName, what: FirstByte["what"], passed: readonly Passage[]): FirstByte {
  const totals = passed.map(totalMs);
  const durations = passed.map(durationsOf);
  const phaseOf = (phase: Phase) => {
    const ofPhase = durations.map((duration) => duration[phase]);
    return { phase, p50Ms: median(ofPhase), share: sum(ofPhase) / sum(totals) };
  };
  return {
    runtime,
    what,
    backends: passed.length,
    p50Ms: quantile(totals, 0.5),
    p99Ms: quantile(totals, 0.99),
    answeredP50Ms: median(passed.map(({ begin, answered }) => answered - begin)),
    phases: phases.map(phaseOf),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
