import type { Bundle } from "../bundle.ts";
import { type Forgotten, forgotten } from "../counts.ts";
import type { Sandbox } from "../sandbox.ts";
import type { SpawnSink } from "../webhook-sink.ts";
import { settled } from "./cost.ts";
import { type State, serveCopy } from "./states.ts";
import { World } from "./world.ts";

const atOnce = 1_000;
export const rowsReadPerForgotten = 3;

/** What a shard reads and writes when ended backends of a state are past their keeping. */
export async function measureForgetting(
  sandbox: Sandbox,
  metered: Bundle,
  state: State,
  sink: SpawnSink,
): Promise<Forgotten> {
  const { workerd, ...served } = await serveCopy(sandbox, metered, state, "forgetting");
  try {
    await using world = new World({ workerd, ...served }, sink);
    // The shards awake.
    await world.send("GET", "/v3/accounts/bench/services/hello/backends?status=terminated");
    await settled(workerd);
    const response = await fetch(`${workerd.origin}/bench/forget`, { method: "POST", body: String(atOnce) });
    if (!response.ok) throw new Error(`forget: ${response.status} ${await response.text()}`);
    return forgotten.parse(await response.json());
  } finally {
    await workerd.stop();
  }
}
