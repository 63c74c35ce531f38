import { expect, onTestFinished, test } from "vitest";
import { type SlipwayClient, slipwayClient } from "../../../src/agent/control-plane/client.ts";
import { startHeartbeat } from "../../../src/agent/control-plane/heartbeat.ts";
import { testSlipway } from "../support/cluster.ts";
import { agentToken } from "../support/deliveries.ts";
import { eventually } from "../support/eventually.ts";
import { gate } from "../support/gate.ts";
import { never } from "../support/streams.ts";

/** A heartbeat that comes once in ten minutes, on a clock that the test sets. */
async function startSlowly(
  intercept?: (clock: { nowMs: number }, number: number) => Promise<null>,
  clientOver: (client: SlipwayClient) => SlipwayClient = (client) => client,
) {
  const slipway = await testSlipway();
  const clock = { nowMs: 1 };
  if (intercept) slipway.interceptHeartbeat = () => intercept(clock, slipway.heartbeats.length);
  const sentAt: number[] = [];
  const heartbeat = startHeartbeat({
    client: clientOver(slipwayClient({ apiUrl: slipway.url, agentToken, timeoutMs: 60_000 })),
    everyMs: 600_000,
    body: () => ({ cluster: "eu-prod", agent_id: "a", version: "1" }),
    list: () => [],
    now: () => clock.nowMs,
    onAnswer: (_answer, sentAtMs) => sentAt.push(sentAtMs),
    log: () => undefined,
  });
  onTestFinished(() => heartbeat.stop());
  return { slipway, clock, sentAt, heartbeat };
}

test("a heartbeat counts from before it was sent, however long its answer takes", async () => {
  const { sentAt } = await startSlowly(async (clock) => {
    clock.nowMs = 40_000;
    return null;
  });
  await eventually(() => sentAt).toEqual([1]);
});

test("a heartbeat that is wanted at once waits for no other, and each answer counts from its own", async () => {
  const first = gate();
  const { sentAt, heartbeat, clock, slipway } = await startSlowly(async (_clock, number) => {
    if (number === 1) await first.opened;
    return null;
  });
  await eventually(() => slipway.heartbeats.length).toBe(1);
  clock.nowMs = 20_000;
  heartbeat.beatNow();
  await eventually(() => sentAt).toEqual([20_000]);
  first.open();
  await eventually(() => sentAt).toEqual([20_000, 1]);
});

test("an answer that arrives after the heartbeat was stopped is ignored", async () => {
  const held = gate();
  const { sentAt, heartbeat, slipway } = await startSlowly(
    async () => {
      await held.opened;
      return null;
    },
    // It was complete just before it could be given up.
    (client) => ({ ...client, post: (path, body) => client.post(path, body, never) }),
  );
  await eventually(() => slipway.heartbeats.length).toBe(1);
  const stopped = heartbeat.stop();
  held.open();
  await stopped;
  expect(sentAt).toEqual([]);
});
