import { expect, test } from "vitest";
import { agentToken, startCluster } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";

test("reports carry the agent token and the fencing token", async () => {
  const cluster = await startCluster();
  await cluster.spawnReady("serve", { fencing_token: 99 });
  for (const { authorization, body } of cluster.slipway.reports) {
    expect([authorization, body.fencing_token]).toEqual([`Bearer ${agentToken}`, 99]);
  }
});

test.each([503, 500, 429, 401, 403])(
  "a report that is answered %i is repeated, and later ones wait for it",
  async (status) => {
    const cluster = await startCluster();
    const failuresLeft = new Map<string, number>();
    cluster.slipway.answerReport = ({ body }) => {
      const left = failuresLeft.get(body.status) ?? 2;
      failuresLeft.set(body.status, left - 1);
      return left > 0 ? status : 200;
    };
    const id = await cluster.spawnReady();
    expect(cluster.slipway.reports.map(({ body }) => body.status)).toEqual(
      ["loading", "starting", "waiting", "ready"].flatMap((reported) => [reported, reported, reported]),
    );
    expect(cluster.slipway.statusesOf(id)).toEqual(["loading", "starting", "waiting", "ready"]);
  },
);

test("reports are repeated while Slipway cannot be reached at all", async () => {
  const cluster = await startCluster({ apiUrl: "http://127.0.0.1:1", leased: false });
  const id = await cluster.spawn("exit-3", { key: null });
  const retries = () =>
    cluster.events.filter(({ event, fields }) => event === "report.retry" && fields.backend_id === id);
  await eventually(() => retries().length).toBeGreaterThan(3);
  expect(new Set(retries().map(({ fields }) => fields.status))).toEqual(new Set(["loading"]));
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
  cluster.slipway.answerReport = ({ body }) => (body.status === "loading" ? 400 : 200);
  const id = await cluster.spawnReady("serve", { key: null });
  expect(cluster.slipway.reports.map(({ body }) => body.status)).toEqual([
    "loading",
    "starting",
    "waiting",
    "ready",
  ]);
  expect(cluster.slipway.statusesOf(id)).toEqual(["starting", "waiting", "ready"]);
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
