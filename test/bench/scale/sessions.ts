import { inTurns } from "../../support/in-turns.ts";
import type { Bundle } from "../bundle.ts";
import type { Sandbox } from "../sandbox.ts";
import type { SpawnSink } from "../webhook-sink.ts";
import { settled } from "./cost.ts";
import { connectTo } from "./rows.ts";
import { type State, serve } from "./states.ts";
import { World } from "./world.ts";

/** The memory that workerd holds when each live backend of a service has been connected to. */
export interface SessionsMemory {
  live: number;
  residentBytes: number;
}

export const residentMaxMb = 120;

/** Connects to every live backend of a state, a few at a time. */
export async function measureSessions(
  sandbox: Sandbox,
  subject: Bundle,
  state: State,
  sink: SpawnSink,
): Promise<SessionsMemory> {
  const served = await serve(sandbox, subject, state);
  try {
    const world = new World(served, sink);
    const { live } = state.population;
    await inTurns(live, (i) => connectTo(world, i));
    await settled(served.workerd);
    return { live, residentBytes: await served.workerd.residentBytes() };
  } finally {
    await served.workerd.stop();
  }
}
