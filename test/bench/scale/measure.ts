import { type Bundle, buildBundle } from "../bundle.ts";
import type { Forgotten } from "../counts.ts";
import type { Sandbox } from "../sandbox.ts";
import { median } from "../statistics.ts";
import { subjectTexts } from "../subject.ts";
import { type SpawnSink, startSpawnSink } from "../webhook-sink.ts";
import { cpuOf, cpuOfRequest, rowsReadBy, rowsReadByRequest, type Side, settled } from "./cost.ts";
import { measureForgetting } from "./forgetting.ts";
import { judge } from "./goals.ts";
import { largePopulation, type Population, smallPopulation } from "./population.ts";
import { heldKey, type Row, rows } from "./rows.ts";
import { measureSessions, type SessionsMemory } from "./sessions.ts";
import { makeState, type State, serve, serveCopy } from "./states.ts";
import { World } from "./world.ts";

/** What one request costs in one of the two states. */
export interface RequestCost {
  /** workerd's processor time. */
  cpuMs: number;
  /** With what the request leaves to do. */
  rowsRead: number;
}

/** A request in both states. */
export interface ScaleRow {
  request: string;
  small: RequestCost;
  large: RequestCost;
  /** Of the processor times, large to small. */
  ratio: number;
  /** Which goals it misses. */
  missed: readonly string[];
}

export interface Scale {
  small: Population;
  large: Population;
  rows: ScaleRow[];
  forgetting: Forgotten;
  sessions: SessionsMemory;
}

const wakeUps = 5;

/** What both states are measured with. */
interface Setting {
  sandbox: Sandbox;
  states: readonly State[];
  sink: SpawnSink;
  onProgress: (text: string) => void;
}

/** Measures requests to a service that has little, and to one that has much. @param share how large the large one is */
export async function measureScale(
  sandbox: Sandbox,
  share: number,
  onProgress: (text: string) => void,
): Promise<Scale> {
  const seeding = await buildBundle(sandbox, "seeding", "wrangler.toml", "test/bench/worker/seeded.ts");
  const subject = await buildBundle(sandbox, "scaled", "wrangler.toml");
  const metered = await buildBundle(sandbox, "counting", "wrangler.toml", "test/bench/worker/metered.ts");
  const sink = await startSpawnSink();
  try {
    const texts = await subjectTexts();
    const make = (name: string, population: Population) => {
      onProgress(`scale: making the ${name} state`);
      return makeState(sandbox, seeding, texts, sink.url, name, population);
    };
    const [small, large] = [smallPopulation, largePopulation(share)];
    const largeState = await make("large", large);
    const smallState = await make("small", small);
    const states = [smallState, largeState];
    const setting = { sandbox, states, sink, onProgress };
    const costs = await costsOf(setting, subject, metered);
    const awakening = await costOfWakeUp(setting, subject, metered);
    onProgress("scale: forgetting ended backends");
    const forgetting = await measureForgetting(sandbox, metered, largeState, sink);
    const crowded = await make("crowded", { ...small, live: large.live });
    onProgress(`scale: connecting to ${large.live} live backends`);
    const sessions = await measureSessions(sandbox, subject, { crowded, few: smallState }, sink);
    return {
      small,
      large,
      rows: [...rows.map((row, i) => scaleRow(row, costs[i] ?? [])), scaleRow(heldKey, awakening, true)],
      forgetting,
      sessions,
    };
  } finally {
    sink.close();
  }
}

/** What each row of the table costs in each state. The production bundle is timed, and the metered one counts. */
async function costsOf(setting: Setting, subject: Bundle, metered: Bundle): Promise<RequestCost[][]> {
  const cpu = await goThrough(setting, subject, "timed", cpuOfRequest);
  const read = await goThrough(setting, metered, "counted", async (row, sides) => {
    const read: number[] = [];
    for (const side of sides) read.push(await rowsReadByRequest(row, side));
    return read;
  });
  return rows.map((_, i) => combined(cpu[i] ?? [], read[i] ?? []));
}

function combined(cpu: readonly number[], read: readonly number[]): RequestCost[] {
  return cpu.map((cpuMs, i) => ({ cpuMs, rowsRead: read[i] ?? Number.NaN }));
}

/** Serves copies of both states with a bundle, and measures each row in turn. */
async function goThrough(
  { sandbox, states, sink, onProgress }: Setting,
  bundle: Bundle,
  name: string,
  measure: (row: Row, sides: readonly Side[]) => Promise<number[]>,
): Promise<number[][]> {
  await using stack = new AsyncDisposableStack();
  const sides: Side[] = [];
  for (const state of states) {
    const served = await serveCopy(sandbox, bundle, state, name);
    stack.defer(() => served.workerd.stop());
    sides.push({ workerd: served.workerd, world: stack.use(new World(served, sink)) });
  }
  const results: number[][] = [];
  for (const row of rows) {
    for (const { world } of sides) await row.prepare?.(world);
    const result = await measure(row, sides);
    onProgress(`scale: ${row.request}, ${name}: ${result.map((value) => value.toFixed(1)).join(", ")}`);
    results.push(result);
    for (const { world } of sides) await row.cleanUp?.(world);
  }
  return results;
}

/** The first request after the process has started: objects are loaded, and read what they keep in memory. */
async function costOfWakeUp(
  { sandbox, states, sink, onProgress }: Setting,
  subject: Bundle,
  metered: Bundle,
): Promise<RequestCost[]> {
  const costs: RequestCost[] = [];
  for (const state of states) {
    const first = async (bundle: Bundle, measure: (side: Side) => Promise<number>) => {
      const served = await serve(sandbox, bundle, state);
      try {
        await settled(served.workerd);
        return await measure({ workerd: served.workerd, world: new World(served, sink) });
      } finally {
        await served.workerd.stop();
      }
    };
    const cpu: number[] = [];
    for (let i = 0; i < wakeUps; i++) {
      cpu.push(await first(subject, ({ workerd, world }) => cpuOf(workerd, () => heldKey.act(world))));
    }
    const rowsRead = await first(metered, (side) => rowsReadBy(side, () => heldKey.act(side.world)));
    costs.push({ cpuMs: median(cpu), rowsRead });
  }
  onProgress(`scale: wake-up: ${costs.map(({ cpuMs }) => cpuMs.toFixed(1)).join(", ")} ms`);
  return costs;
}

function scaleRow(row: Row, [small, large]: readonly RequestCost[], isFirst = false): ScaleRow {
  if (!small || !large) throw new Error(`${row.request} was not measured`);
  const ratio = large.cpuMs / small.cpuMs;
  return {
    request: isFirst ? `wake-up: ${row.request}` : row.request,
    small,
    large,
    ratio,
    missed: isFirst ? [] : judge(row, { ...large, ratio }),
  };
}
