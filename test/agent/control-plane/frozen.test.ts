import { once } from "node:events";
import { get, type IncomingMessage, request } from "node:http";
import { expect, test } from "vitest";
import { type ClusterOptions, startCluster, type TestCluster } from "../support/cluster.ts";
import { spawnData } from "../support/deliveries.ts";
import { eventually } from "../support/eventually.ts";
import { gate } from "../support/gate.ts";
import { fixtureImages } from "../support/images.ts";

/*
 * What an agent does first after it was frozen for longer than its lease: its clock jumps, no timer of its own has fired
 * and no heartbeat was sent, and then one thing comes that it had waited for.
 */

const never = 600_000;

/** A cluster that looks at its lease only where something makes it. */
async function startFreezable(options: ClusterOptions = {}) {
  const clock = { nowMs: 1_000_000 };
  const cluster = await startCluster({
    ...options,
    clock: { sinceBootMs: () => clock.nowMs, leaseCheckEveryMs: never, heartbeatEveryMs: never },
  });
  return {
    ...cluster,
    freeze: () => {
      clock.nowMs += cluster.slipway.leaseSeconds * 1000;
    },
    isFenced: () => cluster.events.some(({ event }) => event === "lease.lost"),
  };
}

const lost = { status: "terminated", termination_reason: "lost", termination_kind: "hard" };

/** What comes first, with what came of it. */
const first: Record<string, (cluster: TestCluster, keyed: string) => Promise<unknown>> = {
  "a request for the backend": async (cluster, keyed) => {
    const response = await fetch(await cluster.address(keyed, "/pid"));
    expect([410, 503]).toContain(response.status);
  },
  "a WebSocket to the backend": async (cluster, keyed) => {
    const headers = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
    const sent = get(await cluster.address(keyed, "/hold"), { headers });
    const [response]: IncomingMessage[] = await once(sent, "response");
    expect([410, 503]).toContain(response?.statusCode);
    sent.destroy();
  },
  "a spawn with a key": async (cluster) => {
    const spawned = await cluster.deliver("backend.spawn", spawnData("serve", { key: "other" }));
    expect(spawned.status).toBe(503);
  },
  "a ping": (cluster) => cluster.deliver("cluster.ping", { cluster: "eu-prod" }),
  "a health check": async (cluster) => {
    const response = await fetch(`${cluster.agent.url}/healthz`);
    expect(await response.json()).toMatchObject({ lease: "expired" });
  },
};

test.for(Object.entries(first))("%s: what has a key is killed before it is answered", async ([, act]) => {
  const cluster = await startFreezable();
  const keyed = await cluster.spawnReady();
  cluster.freeze();
  await act(cluster, keyed);
  expect(cluster.isFenced()).toBe(true);
  expect(await cluster.end(keyed)).toMatchObject(lost);
});

test("the end of a pull: nothing is started", async () => {
  const pull = gate();
  const cluster = await startFreezable({
    images: async (image, signal) => {
      await pull.opened;
      return fixtureImages(image, signal);
    },
  });
  const keyed = await cluster.spawn();
  await eventually(() => cluster.pulls.length).toBe(1);
  cluster.freeze();
  pull.open();
  expect(await cluster.end(keyed)).toMatchObject(lost);
  expect(cluster.starts).toEqual([]);
});

test("the answer to a report that confirms a spawn: nothing is started", async () => {
  const cluster = await startFreezable();
  // The last thing before the agent freezes is that its report is answered.
  cluster.slipway.answerReport = () => {
    if (!cluster.isFenced()) cluster.freeze();
    cluster.slipway.answerReport = () => 200;
    return 200;
  };
  const keyed = await cluster.spawn();
  expect(await cluster.end(keyed)).toMatchObject(lost);
  expect(cluster.starts).toEqual([]);
});

test("the end of a runtime's preparations: its start fails, and nothing has run", async () => {
  const cluster = await startFreezable();
  const { runtime } = cluster;
  const start = runtime.start;
  runtime.start = (spec) => {
    cluster.freeze();
    return start(spec);
  };
  const keyed = await cluster.spawn();
  expect(await cluster.end(keyed)).toMatchObject(lost);
  expect(await runtime.list()).toEqual([]);
});

test("a report that waited to be sent again: it is sent only once what has a key is being killed", async () => {
  const cluster = await startFreezable({ clock: { reportRetryFirstMs: 5, reportRetryLongestMs: 5 } });
  const keyed = await cluster.spawnReady();
  const fencedAt: boolean[] = [];
  const other = await cluster.spawn("serve", { key: null });
  cluster.slipway.answerReport = ({ backendId }) => {
    if (backendId !== other) return 200;
    fencedAt.push(cluster.isFenced());
    if (fencedAt.length === 1) cluster.freeze();
    return fencedAt.length === 1 ? 503 : 200;
  };
  await cluster.terminate(other, true);
  expect(await cluster.end(keyed)).toMatchObject(lost);
  expect(fencedAt[1]).toBe(true);
});

test("a message on an open WebSocket: it does not pass, and the socket is closed", async () => {
  const cluster = await startFreezable();
  const keyed = await cluster.spawnReady();
  const socket = new WebSocket((await cluster.address(keyed, "/socket")).replace("http", "ws"));
  const got: unknown[] = [];
  socket.addEventListener("message", ({ data }) => got.push(data));
  await eventually(() => got.length).toBe(1);
  const closed = new Promise<void>((resolve) => socket.addEventListener("close", () => resolve()));
  cluster.freeze();
  socket.send("to be echoed");
  await closed;
  expect(got).toHaveLength(1);
  expect(await cluster.end(keyed)).toMatchObject(lost);
});

test("more bytes from a client or from the backend: none of them passes", async () => {
  const cluster = await startFreezable();
  const keyed = await cluster.spawnReady();
  const sent = request(await cluster.address(keyed, "/echo"), { method: "POST" });
  sent.on("error", () => undefined);
  sent.write("before");
  const [answer]: IncomingMessage[] = await once(sent, "response");
  if (!answer) throw new Error("no answer");
  const got: string[] = [];
  answer.setEncoding("utf8").on("data", (text) => got.push(text));
  answer.on("error", () => undefined);
  await eventually(() => got.join("")).toBe("before");
  const closed = new Promise<void>((resolve) => answer.once("close", () => resolve()));
  cluster.freeze();
  sent.write("after");
  await closed;
  expect(got.join("")).toBe("before");
  expect(await cluster.end(keyed)).toMatchObject(lost);
});
