import { expect, test } from "vitest";
import { agentClock } from "../../../src/agent/clock.ts";
import { slipwayClient } from "../../../src/agent/control-plane/client.ts";
import { statusReporter } from "../../../src/agent/control-plane/reporter.ts";
import { agentToken, startCluster, type TestCluster, testSlipway } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { statusesIn } from "../support/fake-slipway.ts";

test("reports carry the agent token and the fencing token", async () => {
  const cluster = await startCluster();
  await cluster.spawnReady("serve", { fencing_token: 99 });
  for (const { authorization, body } of cluster.slipway.reports) {
    expect([authorization, body.fencing_token]).toEqual([`Bearer ${agentToken}`, 99]);
  }
});

test.each([503, 500, 429, 401, 403])(
  "a report that is answered %i is repeated with what has come since, and later ones wait for it",
  async (status) => {
    const cluster = await startCluster();
    const failuresLeft = new Map<string, number>();
    cluster.slipway.answerReport = ({ body }) => {
      const left = failuresLeft.get(body.status) ?? 2;
      failuresLeft.set(body.status, left - 1);
      return left > 0 ? status : 200;
    };
    const id = await cluster.spawnReady();
    const { reports } = cluster.slipway;
    for (const [i, { body, answered }] of reports.slice(0, -1).entries()) {
      const next = statusesIn(reports[i + 1]?.body ?? body);
      const again = next.slice(0, statusesIn(body).length);
      if (answered === 200) expect(again).not.toContain(body.status);
      else expect(again).toEqual(statusesIn(body));
    }
    expect(reports.filter(({ answered }) => answered !== 200).length).toBeGreaterThanOrEqual(4);
    expect(cluster.slipway.statusesOf(id)).toEqual(["loading", "starting", "waiting", "ready"]);
  },
);

/** Long enough that nothing is sent because its time is over. */
const held = { clock: { reportHoldMs: 3_600_000 } };
/** What was sent of a backend, report by report. */
const sentOf = ({ slipway }: TestCluster, id: string) =>
  slipway.reports.filter(({ backendId }) => backendId === id).map(({ body }) => statusesIn(body));

test("a start is one report, with how long ago each status was entered", async () => {
  const cluster = await startCluster(held);
  const id = await cluster.spawnReady("serve", { key: null });
  expect(sentOf(cluster, id)).toEqual([["loading", "starting", "waiting", "ready"]]);
  const ago = cluster.slipway.reports[0]?.body.earlier?.map(({ ms_ago }) => ms_ago) ?? [];
  expect(ago).toEqual([...ago].sort((a, b) => b - a));
  expect(ago.every((ms) => ms >= 0 && ms < 40_000)).toBe(true);
});

test("what a start waits for is reported at once, and the rest of it together", async () => {
  const cluster = await startCluster(held);
  const id = await cluster.spawnReady("serve", { key: "doc-1" });
  expect(sentOf(cluster, id)).toEqual([["loading"], ["starting", "waiting", "ready"]]);
});

test("an end is reported at once, with what was held before it and the reason of each", async () => {
  const cluster = await startCluster(held);
  const id = await cluster.spawn("never-listen", { key: null });
  await eventually(() => cluster.starts.length).toBe(1);
  await cluster.terminate(id, false);
  await cluster.end(id);
  const [first, ...later] = sentOf(cluster, id);
  expect([first?.at(0), first?.includes("terminating")]).toEqual(["loading", true]);
  expect([...(first ?? []), ...later.flat()].at(-1)).toBe("terminated");
  const ends = cluster.slipway.reports.flatMap(({ body: { earlier = [], ...last } }) => [...earlier, last]);
  const reasons = ends.flatMap(({ status, termination_reason: reason }) =>
    status.includes("terminat") ? [reason] : [],
  );
  expect(new Set(reasons)).toEqual(new Set(["external"]));
});

test("what nobody waits for is held for a time, and then sent without anything that follows", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawn("never-listen", { key: null });
  await cluster.reached(id, "waiting");
  expect(cluster.slipway.statusesOf(id)).toEqual(["loading", "starting", "waiting"]);
});

test("close delivers what is held, and nothing where it has no time", async () => {
  const slipway = await testSlipway();
  const client = slipwayClient({ apiUrl: slipway.url, agentToken, timeoutMs: 10_000 });
  const clock = { ...agentClock, ...held.clock };
  const entry = { status: "loading", time: Date.now() } as const;
  for (const [withinMs, outcome] of [
    [0, "undelivered"],
    [10_000, "acknowledged"],
  ] as const) {
    const reporter = statusReporter({ client, clock, look: () => undefined, log: () => undefined });
    const report = reporter.report("k3f9q00000000", { entry, fencingToken: 1, url: null, mayWait: true });
    await reporter.close(withinMs);
    expect(await report).toMatchObject({ outcome });
  }
  expect(slipway.statusesOf("k3f9q00000000")).toEqual(["loading"]);
});

test("reports are repeated while Slipway cannot be reached at all", async () => {
  const cluster = await startCluster({ apiUrl: "http://127.0.0.1:1", leased: false });
  const id = await cluster.spawn("exit-3", { key: null });
  const retries = () =>
    cluster.events.filter(({ event, fields }) => event === "report.retry" && fields.backend_id === id);
  await eventually(() => retries().length).toBeGreaterThan(3);
  for (const { fields } of retries()) {
    expect([fields.earlier ?? [], fields.status].flat()[0]).toBe("loading");
  }
});

test("one backend's report that fails does not hold another backend's back", async () => {
  const cluster = await startCluster();
  const held = await cluster.spawn();
  cluster.slipway.answerReport = ({ backendId }) => (backendId === held ? 503 : 200);
  await cluster.spawnReady();
  cluster.slipway.answerReport = () => 200;
  await cluster.reached(held, "ready");
});

test("a report that is refused for good is not repeated, and the next one is sent", async () => {
  const cluster = await startCluster();
  cluster.slipway.answerReport = ({ body }) => (statusesIn(body).includes("loading") ? 400 : 200);
  const id = await cluster.spawn("never-listen", { key: null });
  await eventually(() => cluster.slipway.reports.length).toBe(1);
  await cluster.terminate(id, true);
  await cluster.end(id);
  const sent = sentOf(cluster, id);
  expect(sent.filter((statuses) => statuses.includes("loading"))).toHaveLength(1);
  expect(new Set(sent.flat()).size).toBe(sent.flat().length);
});

test("a backend that Slipway does not know is stopped, and nothing more is reported of it", async () => {
  const cluster = await startCluster();
  cluster.slipway.answerReport = ({ body }) => (body.status === "ready" ? 404 : 200);
  const id = await cluster.spawn();
  await eventually(() => cluster.events).toContainEqual({
    event: "backend.status",
    fields: expect.objectContaining({ backend_id: id, status: "terminated", termination_kind: "hard" }),
  });
  await eventually(() => cluster.slipway.heartbeats.at(-1)?.backends).toEqual([]);
  expect(cluster.slipway.reports.at(-1)?.body.status).toBe("ready");
});

test("a backend that Slipway says has ended is stopped", async () => {
  const cluster = await startCluster();
  cluster.slipway.current = "terminated";
  const id = await cluster.spawn("never-listen");
  expect(await cluster.end(id)).toMatchObject({ termination_reason: "external", termination_kind: "hard" });
});

test("what holds a key is started once Slipway has acknowledged it, what holds none at once", async () => {
  const cluster = await startCluster();
  cluster.slipway.answerReport = ({ body }) => (body.status === "loading" ? 503 : 200);
  const keyless = await cluster.spawn("serve", { key: null });
  const keyed = await cluster.spawn("serve", { key: "doc-1" });
  const reached = (id: string, status: string) =>
    cluster.events.some(
      ({ event, fields }) =>
        event === "backend.status" && fields.backend_id === id && fields.status === status,
    );
  const attempts = () =>
    cluster.slipway.reports.filter(({ backendId, body }) => backendId === keyed && body.status === "loading");
  await eventually(() => reached(keyless, "ready")).toBe(true);
  await eventually(() => attempts().length).toBeGreaterThan(2);
  expect(reached(keyed, "starting")).toBe(false);
  cluster.slipway.answerReport = () => 200;
  await cluster.reached(keyed, "ready");
});

test("a spawn that was given up while it was under way never starts what was to hold the key", async () => {
  const cluster = await startCluster();
  cluster.slipway.current = "terminated";
  const id = await cluster.spawn("serve", { key: "doc-1" });
  expect(await cluster.end(id)).toMatchObject({ termination_reason: "external" });
  expect(cluster.slipway.reports.map(({ body }) => body.status)).not.toContain("starting");
});

test("a heartbeat names the cluster and every backend until its end was acknowledged", async () => {
  const cluster = await startCluster();
  const ready = await cluster.spawnReady();
  cluster.slipway.answerReport = ({ body }) => (body.status === "terminated" ? 503 : 200);
  const ended = await cluster.spawn("exit-3");
  await eventually(() => cluster.slipway.heartbeats.at(-1)).toMatchObject({
    cluster: "eu-prod",
    backends: [
      { id: ready, status: "ready", fencing_token: 4711 },
      { id: ended, status: "terminated", fencing_token: 4711 },
    ],
  });
  cluster.slipway.answerReport = () => 200;
  await eventually(() => cluster.slipway.heartbeats.at(-1)?.backends.map(({ id }) => id)).toEqual([ready]);
});

test("what a heartbeat's answer says should not run is killed", async () => {
  const cluster = await startCluster();
  const unwanted = await cluster.spawnReady("ignore-sigterm");
  const wanted = await cluster.spawnReady();
  cluster.slipway.terminate = [unwanted, "k3f9qunheard0"];
  expect(await cluster.end(unwanted)).toMatchObject({ termination_kind: "hard", exit_code: 137 });
  expect(cluster.slipway.statusesOf(wanted).at(-1)).toBe("ready");
});

test("close gives up reports that cannot be delivered within its bound", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  cluster.slipway.answerReport = () => 503;
  await cluster.agent.close();
  expect(cluster.slipway.statusesOf(id)).not.toContain("terminated");
});
