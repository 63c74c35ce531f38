import { inTurns } from "../../support/in-turns.ts";
import { type Bundle, buildBundle } from "../bundle.ts";
import type { Sandbox } from "../sandbox.ts";
import { floorRequest } from "../scenarios.ts";
import type { SpawnSink } from "../webhook-sink.ts";
import { startWorkerd } from "../workerd.ts";
import { settled } from "./cost.ts";
import { connectTo } from "./rows.ts";
import { type State, serve } from "./states.ts";
import { World } from "./world.ts";

/** The memory that workerd holds when each live backend of a service has been connected to. */
export interface SessionsMemory {
  live: number;
  residentBytes: number;
  /** What it holds after as many connects to a few: of requests, and of what was not collected of them yet. */
  residentBytesOfFew: number;
  /** What the floor holds after as many bare calls. */
  residentBytesOfFloor: number;
}

export const residentMaxMb = 120;

/**
 * Connects to every live backend of a state, a few at a time, and as often to those of another state.
 * @param few a state with few live backends
 */
export async function measureSessions(
  sandbox: Sandbox,
  subject: Bundle,
  { crowded, few }: { crowded: State; few: State },
  sink: SpawnSink,
): Promise<SessionsMemory> {
  const { live } = crowded.population;
  const residentBytesAfter = async (state: State) => {
    const served = await serve(sandbox, subject, state);
    try {
      const world = new World(served, sink);
      await inTurns(live, (i) => connectTo(world, i % state.population.live));
      await settled(served.workerd);
      return await served.workerd.residentBytes();
    } finally {
      await served.workerd.stop();
    }
  };
  return {
    live,
    residentBytes: await residentBytesAfter(crowded),
    residentBytesOfFew: await residentBytesAfter(few),
    residentBytesOfFloor: await residentBytesOfFloor(sandbox, live),
  };
}

async function residentBytesOfFloor(sandbox: Sandbox, calls: number): Promise<number> {
  const floor = await buildBundle(sandbox, "bare", "test/bench/worker/floor.toml");
  const workerd = await startWorkerd(sandbox, floor, { WEBHOOK_URL: "" });
  try {
    const { path, method, headers, body = null } = floorRequest("call");
    await inTurns(calls, async () => {
      const answer = await fetch(workerd.origin + path, { method, headers, body });
      if (!answer.ok) throw new Error(`the floor answered ${answer.status}`);
      await answer.arrayBuffer();
    });
    await settled(workerd);
    return await workerd.residentBytes();
  } finally {
    await workerd.stop();
  }
}
