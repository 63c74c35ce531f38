import { join } from "node:path";
import { expect, onTestFinished, vi } from "vitest";
import { type AgentOptions, startAgent } from "../../../src/agent/agent.ts";
import type { Log } from "../../../src/agent/log.ts";
import type { ImageCommands } from "../../../src/agent/runtimes/process/images/image-store.ts";
import type { Runtime, StartSpec } from "../../../src/agent/runtimes/runtime.ts";
import { makeFolder } from "../../support/folder.ts";
import { agentToken, signingSecret } from "./deliveries.ts";
import { driver } from "./driver.ts";
import { eventually } from "./eventually.ts";
import { type FakeSlipway, startFakeSlipway } from "./fake-slipway.ts";
import { fixtureImages } from "./images.ts";
import { processesIn, quickClock } from "./quick.ts";

export { agentToken, type Delivery, signatureHeaders, signingSecret, spawnData } from "./deliveries.ts";
export { digestOf, fixtureImages, type ImageName } from "./images.ts";

// Real processes on a busy machine: a bound for giving up, not a measure.
vi.setConfig({ testTimeout: 40_000 });

export interface ClusterOptions extends Partial<AgentOptions> {
  images?: ImageCommands;
  /** Where an earlier agent has left its state; a new folder where it is left out. */
  dir?: string;
  /** The one that an earlier agent had; a new one where it is left out. */
  slipway?: FakeSlipway;
  /** Whether to wait until the agent holds a lease, without which it starts nothing that has a key. */
  leased?: boolean;
}

/** A folder that is gone after the test. */
export async function testFolder(): Promise<string> {
  const folder = await makeFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  return folder.path;
}

/** A fake Slipway that ends with the test. */
export async function testSlipway(): Promise<FakeSlipway> {
  const slipway = await startFakeSlipway();
  onTestFinished(async () => {
    await slipway.close();
    expect(slipway.malformed).toEqual([]);
  });
  return slipway;
}

/** A fake Slipway and an agent that runs real processes; both end with the test. */
export async function startCluster(options: ClusterOptions = {}) {
  const { images = fixtureImages, leased = true, ...given } = options;
  const { dir = await testFolder(), slipway = await testSlipway(), ...overrides } = given;
  const processes = processesIn(dir, images);
  const starts: StartSpec[] = [];
  const pulls: string[] = [];
  const runtime: Runtime = {
    ...processes,
    pull(image, signal, claim) {
      pulls.push(image.digest);
      return processes.pull(image, signal, claim);
    },
    start(spec) {
      starts.push(spec);
      return processes.start(spec);
    },
  };
  const events: { event: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const log: Log = (event, fields = {}) => events.push({ event, fields });
  const agent = await startAgent({
    apiUrl: slipway.url,
    cluster: "eu-prod",
    agentToken,
    signingSecrets: [signingSecret],
    runtime,
    stateDir: join(dir, "state"),
    port: 0,
    log,
    ...overrides,
    clock: {
      ...quickClock,
      closeGraceMs: 200,
      closeFlushMs: 200,
      ...overrides.clock,
    },
  });
  onTestFinished(() => agent.close());
  const isLeased = () =>
    events.some(
      ({ event, fields }) =>
        event === "lease.held" || (event === "agent.started" && fields.is_leased === true),
    );
  if (leased) await eventually(isLeased).toBe(true);
  /** Resolves once the agent knows that a report was acknowledged: a little later than Slipway. */
  const knowsAcknowledged = (id: string, status: string) =>
    eventually(() => events).toContainEqual({
      event: "report.acknowledged",
      fields: expect.objectContaining({ backend_id: id, status }),
    });
  const driven = driver(slipway, () => agent.url);
  return { slipway, agent, dir, runtime, starts, pulls, events, knowsAcknowledged, ...driven };
}

export type TestCluster = Awaited<ReturnType<typeof startCluster>>;
