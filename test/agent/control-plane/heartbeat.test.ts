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

/** An agent that runs ten backends, whose control plane gives these answers in turn, and then keeps each list. */
async function bodiesOf(answers: readonly (number | "kept" | "not kept")[], beats: number) {
  const bodies: Record<string, unknown>[] = [];
  const left = [...answers];
  const list = Array.from({ length: 10 }, (_, i) => ({
    id: `k3f9q7h3kq2m${i}`,
    status: "ready" as "ready" | "terminated",
    fencing_token: i + 1,
    idle_seconds: 0,
  }));
  const heartbeat = startHeartbeat({
    client: {
      async post(_path, body) {
        const sent: Record<string, unknown> = { ...body };
        bodies.push(sent);
        const next = left.shift() ?? "kept";
        if (typeof next === "number") return { outcome: "answer", status: next, body: {} };
        const kept = next === "kept" ? { list_digest: sent.list_digest } : {};
        return {
          outcome: "answer",
          status: 200,
          body: { lease_seconds: 45, terminate: [], unknown: [], ...kept },
        };
      },
    },
    everyMs: 600_000,
    body: () => ({ cluster: "eu-prod", agent_id: "a", version: "1" }),
    list: () => structuredClone(list),
    now: () => 1,
    onAnswer: () => undefined,
    log: () => undefined,
  });
  onTestFinished(() => heartbeat.stop());
  await eventually(() => bodies.length).toBe(1);
  for (let beat = 1; beat < beats; beat++) {
    const [first] = list;
    if (first) first.status = beat % 2 === 1 ? "terminated" : "ready";
    await heartbeat.beatNow();
  }
  return bodies.map(({ backends, changes }) => (changes === undefined ? { whole: backends } : { changes }));
}

const whole = { whole: expect.objectContaining({ length: 10 }) };
const one = { changes: { backends: [expect.objectContaining({ id: "k3f9q7h3kq2m0" })], gone: [] } };

test("a heartbeat has what has changed once the list is acknowledged, and the whole list until then", async () => {
  expect(await bodiesOf([], 3)).toEqual([whole, one, one]);
  expect(await bodiesOf(["not kept", "not kept"], 3)).toEqual([whole, whole, whole]);
});

test.for([409, 400, 401])(
  "changes that are answered with %i are followed by the whole list at once",
  async (status) => {
    expect(await bodiesOf(["kept", status], 3)).toEqual([whole, one, whole, one]);
  },
);

test("changes that are answered with 503 are followed by the whole list at the next heartbeat", async () => {
  expect(await bodiesOf(["kept", 503], 3)).toEqual([whole, one, whole]);
});
