import { describe, expect, vi } from "vitest";
import { passTime, passTimeRunning } from "../../support/worker/clock.ts";
import { notRunningHere } from "../../support/worker/scripted-cluster.ts";
import { agentOf, listed, notEnded } from "../support/agent.ts";
import { setUpBackend, startBackend } from "../support/backend.ts";
import { test } from "../support/object-test.ts";
import { pendingWebhooks } from "../support/pending-webhooks.ts";
import { caller, code, setUpPinned, value } from "../support/service.ts";

const minute = 60_000;
const proof = { fence: "proof" } as const;

/** A cluster whose agent needs proof of an end, with a ready backend that holds the key `doc` and one without a key. */
async function setUpProof() {
  const keyed = await setUpBackend("doc");
  const { hello } = keyed;
  const unkeyed = await startBackend(hello);
  for (const { report } of [keyed, unkeyed]) value(await report({ status: "ready" }));
  const agent = agentOf(hello);
  const lists = [keyed.reported, unkeyed.reported];
  const beat = async (backends: typeof lists = lists) => value(await agent.beat(backends, "agent-1", proof));
  await beat();
  return { hello, agent, keyed, unkeyed, lists, beat };
}

type Proof = Awaited<ReturnType<typeof setUpProof>>;

const lose = ({ agent }: Proof) => passTimeRunning(agent.stub(), minute);

async function setUpLost(): Promise<Proof> {
  const system = await setUpProof();
  await lose(system);
  return system;
}

const heldSince = async ({ hello, keyed }: Proof) =>
  value(await hello.service().getBackend(keyed.backendId)).held_since;

/** Every way in which Slipway gives a backend up without having seen its end. */
const waysToGiveUp: [way: string, giveUp: (system: Proof) => Promise<unknown>][] = [
  ["its cluster is lost", lose],
  [
    "its agent is lost and another goes on",
    async ({ agent }) => {
      for (let i = 0; i < 7; i++) {
        value(await agent.beat([], "agent-2"));
        await passTimeRunning(agent.stub(), 10_000);
      }
    },
  ],
  [
    "a hard termination was taken and its end is not reported",
    async ({ hello, keyed }) => {
      value(await hello.service().terminate(keyed.backendId, true, caller));
      await vi.waitFor(async () => expect(await pendingWebhooks(hello.service())).toEqual({}));
      await passTime(hello.service(), 30_000);
    },
  ],
];

describe("a key in a cluster that needs proof", () => {
  test.for(waysToGiveUp)("does not move when %s", async ([, giveUp], { cluster: _ }) => {
    const system = await setUpProof();
    const { hello, keyed } = system;
    await giveUp(system);
    expect(await notEnded(hello)).toContain(keyed.backendId);
    const refused = await hello.connect({ key: "doc" });
    expect(refused).toMatchObject({
      ok: false,
      error: { code: "key_held", details: { backend_id: keyed.backendId }, retryAfterSeconds: 10 },
    });
    expect(await heldSince(system)).toBeDefined();
    expect(await listed(hello)).not.toContain(keyed.backendId);
    const { items } = value(await hello.service().listBackends({ limit: 50 }));
    expect(items.find(({ id }) => id === keyed.backendId)).toHaveProperty("held_since");
    // Nothing but proof changes that, however long it takes.
    await passTimeRunning(hello.service(), 3 * 24 * 60 * minute);
    expect(code(await hello.connect({ key: "doc" }))).toBe("key_held");
  });

  test("does not move when its spawn is given up, whose answer may have been lost", async ({ cluster }) => {
    const hello = await setUpPinned();
    const agent = agentOf(hello);
    value(await agent.beat([], "agent-1", proof));
    cluster.always(() => new Response(null, { status: 503 }));
    await hello.connect({ key: "doc" });
    for (let i = 0; i < 8; i++) {
      await passTime(hello.service(), 40_000);
      await cluster.quiet();
    }
    expect(code(await hello.connect({ key: "doc", spawn: null }))).toBe("key_not_held");
    expect(await notEnded(hello)).toHaveLength(1);
    cluster.always(notRunningHere);
    await passTime(hello.service(), 10 * minute);
    await vi.waitFor(async () => expect(await notEnded(hello)).toEqual([]));
  });

  test("is lost as ever where it is a backend without a key, and where the cluster fences by the lease", async () => {
    const { hello, unkeyed } = await setUpLost();
    expect(await notEnded(hello)).not.toContain(unkeyed.backendId);
    const other = await setUpBackend("doc");
    const agent = agentOf(other.hello);
    value(await agent.beat([other.reported], "agent-1", { fence: "lease" }));
    await passTimeRunning(agent.stub(), minute);
    expect(value(await other.hello.connect({ key: "doc" })).spawned).toBe(true);
  });
});

describe("a key that is held is free, or its backend's again,", () => {
  test("by the report of its end", async () => {
    const { hello, keyed } = await setUpLost();
    value(await keyed.report({ status: "terminated", exit_code: 0 }));
    expect(value(await hello.connect({ key: "doc" })).spawned).toBe(true);
  });

  test("by a heartbeat of its agent that lists it no more", async () => {
    const { hello, beat } = await setUpLost();
    await beat([]);
    expect(value(await hello.connect({ key: "doc" })).spawned).toBe(true);
  });

  test("not by a heartbeat of another agent", async () => {
    const { hello, agent } = await setUpLost();
    value(await agent.beat([], "agent-2", { fence: "lease" }));
    expect(code(await hello.connect({ key: "doc" }))).toBe("key_held");
  });

  test("by a termination that is answered with 404", async ({ cluster }) => {
    const { hello, keyed } = await setUpLost();
    cluster.always(notRunningHere);
    value(await hello.service().terminate(keyed.backendId, true, caller));
    await vi.waitFor(async () => expect(await notEnded(hello)).toEqual([]));
  });

  test("by a heartbeat of its agent that lists it: whoever connects gets it again", async () => {
    const system = await setUpLost();
    const { hello, beat, keyed, unkeyed } = system;
    expect((await beat()).terminate).toEqual([unkeyed.backendId]);
    expect(value(await hello.connect({ key: "doc" })).backendId).toBe(keyed.backendId);
    expect(await heldSince(system)).toBeUndefined();
  });

  test("by a person who releases it, once, with an event that says who and why", async () => {
    const { hello, keyed } = await setUpLost();
    const release = () => hello.service().releaseBackend(keyed.backendId, "the machine was off", caller);
    const released = value(await release());
    expect(released).toMatchObject({ id: keyed.backendId, status: "terminated", key: "doc" });
    expect(value(await hello.connect({ key: "doc" })).spawned).toBe(true);
    expect(value(await release())).toEqual(released);
    await passTimeRunning(hello.service(), 10_000);
    const { items } = value(await hello.accountObject.listEvents({ limit: 9, type: "backend.released" }));
    expect(items).toMatchObject([
      {
        actor: { token_id: caller.actor.tokenId },
        service: "hello",
        environment: "default",
        backend_id: keyed.backendId,
        details: { note: "the machine was off" },
      },
    ]);
  });
});

test("nothing is released where nothing is held: of a backend that runs, that has ended, or that never was", async () => {
  const { hello, keyed, unkeyed } = await setUpProof();
  const release = async (id: string) => hello.service().releaseBackend(id, "why", caller);
  expect(code(await release(keyed.backendId))).toBe("backend_not_held");
  expect(code(await release(unkeyed.backendId))).toBe("backend_not_held");
  value(await keyed.report({ status: "terminated" }));
  expect(code(await release(keyed.backendId))).toBe("backend_not_held");
  expect(code(await release(`${keyed.backendId.slice(0, 5)}00000000`))).toBe("backend_not_found");
});

test("an agent that leaves gets no new backends from then on, and is shown as leaving", async ({
  keyedBackend: { hello, reported },
}) => {
  const agent = agentOf(hello);
  value(await agent.beat([reported]));
  value(await agent.beat([reported], "agent-1", { leaving: true }));
  expect(code(await hello.connect())).toBe("cluster_unavailable");
  const { agents, fence } = value(await hello.accountObject.getCluster("main"));
  expect(agents).toMatchObject([{ id: "agent-1", leaving: true, draining: true }]);
  expect(fence).toBe("lease");
});
