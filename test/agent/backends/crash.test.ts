import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { eventually } from "../support/eventually.ts";
import { theCase } from "../support/killable.ts";

test.for([
  ["before anything was written", { event: "webhook" }],
  ["before the answer", { event: "backend.spawned" }],
  ["while pulling", { event: "backend.status", status: "loading" }],
  ["before the start", { event: "backend.status", status: "starting" }],
  ["just before the runtime starts it", { event: "test.starting" }],
  ["just after the runtime has started it", { event: "test.started" }],
  ["while it is waited for", { event: "backend.status", status: "waiting" }],
  ["before ready was reported", { event: "backend.status", status: "ready" }],
  ["before the first acknowledgement was kept", { event: "report.acknowledged" }],
  ["before the last acknowledgement was kept", { event: "report.acknowledged", status: "ready" }],
] as const)(
  "an agent killed %s starts the backend once, reports its statuses in order and serves it",
  async ([_when, dieAt]) => {
    const at = await theCase("exit-on-sigterm");
    const first = await at.start({ dieAt });
    await first.deliver("backend.spawn", at.data).catch(() => undefined);
    await first.exited;

    const second = await at.takeOver();
    const answer = await second.deliver("backend.spawn", at.data);
    expect([answer.status, await answer.json()]).toEqual([
      200,
      { url: `https://backends.example.com/${at.id}` },
    ]);
    await second.reached(at.id, "ready");
    expect(at.reported()).toEqual(["loading", "starting", "waiting", "ready"]);
    expect(at.starts()).toHaveLength(1);
    expect(await second.get(at.id, "/pid")).toBe(at.starts()[0]);

    await second.terminate(at.id, false);
    expect(await second.end(at.id)).toMatchObject({ exit_code: 5, termination_reason: "external" });
    await eventually(at.running).toEqual([]);
  },
);

test.for([
  ["while it is asked to end", { event: "backend.status", status: "terminating" }],
  ["before its end was reported", { event: "backend.status", status: "terminated" }],
  ["before it was removed", { event: "test.removing" }],
  ["after it was removed", { event: "test.removed" }],
  ["before the acknowledgement of its end was kept", { event: "report.acknowledged", status: "terminated" }],
] as const)("an agent killed %s ends the backend and reports its exit code", async ([_when, dieAt]) => {
  const at = await theCase("exit-on-sigterm");
  const first = await at.start({ dieAt });
  await first.deliver("backend.spawn", at.data);
  await first.reached(at.id, "ready");
  await first.terminate(at.id, false).catch(() => undefined);
  await first.exited;

  const second = await at.takeOver();
  expect(await second.end(at.id)).toMatchObject({
    status: "terminated",
    exit_code: 5,
    termination_reason: "external",
    termination_kind: "soft",
  });
  expect(at.reported()).toEqual(["loading", "starting", "waiting", "ready", "terminating", "terminated"]);
  expect((await second.deliver("backend.spawn", at.data)).status).toBe(200);
  await eventually(() => at.slipway.heartbeats.at(-1)?.backends).toEqual([]);
  expect(at.starts()).toHaveLength(1);
  await eventually(at.running).toEqual([]);
  await second.agent.close({ backends: "keep" });
  expect(await at.left()).toEqual([]);
});

test("a hard end that the agent's death has broken off is gone on with", async () => {
  const at = await theCase("ignore-sigterm");
  const first = await at.start({ dieAt: { event: "backend.status", status: "hard-terminating" } });
  await first.deliver("backend.spawn", at.data);
  await first.reached(at.id, "ready");
  await first.terminate(at.id, true).catch(() => undefined);
  await first.exited;
  const second = await at.takeOver();
  expect(await second.end(at.id)).toMatchObject({ exit_code: 137, termination_kind: "hard" });
  await eventually(at.running).toEqual([]);
});

test("a soft end that the agent's death has broken off becomes a hard one after the grace", async () => {
  const at = await theCase("ignore-sigterm");
  const first = await at.start({ dieAt: { event: "backend.status", status: "terminating" } });
  await first.deliver("backend.spawn", at.data);
  await first.reached(at.id, "ready");
  await first.terminate(at.id, false).catch(() => undefined);
  await first.exited;
  const second = await at.takeOver({ clock: { softTerminationGraceMs: 100 } });
  expect(await second.end(at.id)).toMatchObject({ exit_code: 137, termination_kind: "hard" });
  expect(at.reported().slice(4)).toEqual(["terminating", "hard-terminating", "terminated"]);
});

test("an agent that dies again while it takes over does it all the third time", async () => {
  const at = await theCase("exit-on-sigterm");
  const first = await at.start({ dieAt: { event: "test.started" } });
  await first.deliver("backend.spawn", at.data);
  await first.exited;
  const second = await at.start({ dieAt: { event: "backend.adopted" } });
  await second.exited;
  const third = await at.takeOver();
  await third.reached(at.id, "ready");
  expect([at.starts().length, at.reported()]).toEqual([1, ["loading", "starting", "waiting", "ready"]]);
});

test("a backend that ends while no agent runs is reported with its exit code, and no reason", async () => {
  const at = await theCase("exit-later");
  const first = await at.start();
  await first.deliver("backend.spawn", at.data);
  await first.reached(at.id, "ready");
  const port = Number(Object(await first.get(at.id, "/env")).PORT);
  await first.kill();
  await fetch(`http://127.0.0.1:${port}/exit`);
  await eventually(at.running).toEqual([]);
  const second = await at.takeOver();
  expect(await second.end(at.id)).toEqual({ status: "terminated", fencing_token: 4711, exit_code: 7 });
});

test("a backend that ends while no agent runs is never ready, though another program answers at its port", async () => {
  const at = await theCase("never-listen");
  const first = await at.start();
  await first.deliver("backend.spawn", at.data);
  await first.reached(at.id, "waiting");
  // It is waited for as soon as there is a process, which is not known by then.
  await eventually(at.running).toHaveLength(1);
  await first.kill();
  for (const pid of await at.running()) process.kill(pid, "SIGKILL");
  await eventually(at.running).toEqual([]);
  const record = z.object({ port: z.int() });
  const { port } = record.parse(
    JSON.parse(readFileSync(join(at.dir, "processes", at.id, "record.json"), "utf8")),
  );
  const other = createServer((_request, response) => response.end());
  onTestFinished(() => void other.close());
  await once(other.listen(port, "127.0.0.1"), "listening");
  const second = await at.takeOver();
  expect(await second.end(at.id)).toMatchObject({ exit_code: 137 });
  expect(at.reported()).not.toContain("ready");
});

test("reports that were not acknowledged before the agent was killed are sent by the next one, in order", async () => {
  const at = await theCase("exit-3");
  at.slipway.answerReport = () => 503;
  const first = await at.start();
  await first.deliver("backend.spawn", at.data);
  await eventually(() => at.slipway.heartbeats.at(-1)?.backends[0]?.status).toBe("terminated");
  await first.kill();
  expect(at.reported()).toEqual([]);
  at.slipway.answerReport = () => 200;
  const second = await at.takeOver();
  expect(await second.end(at.id)).toMatchObject({ exit_code: 3 });
  expect(at.reported()).toEqual(expect.arrayContaining(["loading", "starting", "terminated"]));
  expect([...at.reported()].sort(byLife)).toEqual(at.reported());
});

const life = ["loading", "starting", "waiting", "ready", "terminating", "hard-terminating", "terminated"];
const byLife = (a: string, b: string) => life.indexOf(a) - life.indexOf(b);

test("what is left of the startup timeout is all that a restarted agent waits", async () => {
  const at = await theCase("never-listen", {
    limits: { startup_timeout_seconds: 3600, max_idle_seconds: 0 },
  });
  const first = await at.start();
  await first.deliver("backend.spawn", at.data);
  await first.reached(at.id, "waiting");
  await first.kill();
  at.age(3_600_000);
  const second = await at.takeOver();
  expect(await second.end(at.id)).toMatchObject({ termination_reason: "startuptimeout", exit_code: 137 });
});

test("a backend that answered before its startup timeout, while no agent looked, is ready and not ended", async () => {
  const at = await theCase("serve", { limits: { startup_timeout_seconds: 3600, max_idle_seconds: 0 } });
  const first = await at.start();
  await first.deliver("backend.spawn", at.data);
  await first.reached(at.id, "ready");
  await first.kill();
  at.rewrite((journal) => {
    for (const { spawn, history } of journal.backends()) {
      const unanswered = history.filter(({ status }) => status !== "ready");
      journal.setHistory(spawn.backend_id, unanswered, null);
    }
  });
  at.age(3_600_000);
  at.slipway.reports.length = 0;
  const second = await at.takeOver({
    clock: { readyPollFirstMs: 600_000, readyPollEveryMs: 600_000, readyPollTimeoutMs: 0 },
  });
  await second.reached(at.id, "ready");
  expect(second.starts).toEqual([]);
  expect(await at.running()).toHaveLength(1);
});

test("a lifetime counts from the spawn, whichever agent received it", async () => {
  const limits = { startup_timeout_seconds: 60, max_idle_seconds: 0, lifetime_limit_seconds: 3600 };
  const at = await theCase("serve", { limits });
  const first = await at.start();
  await first.deliver("backend.spawn", at.data);
  await first.reached(at.id, "ready");
  await first.kill();
  at.age(3_600_000);
  const second = await at.takeOver();
  expect(await second.end(at.id)).toMatchObject({ termination_reason: "swept", termination_kind: "soft" });
});

test("an id whose end came before its spawn is refused after a restart too", async () => {
  const at = await theCase("serve");
  const first = await at.start();
  expect((await first.terminate(at.id, true)).status).toBe(404);
  await first.kill();
  const second = await at.takeOver();
  expect((await second.deliver("backend.spawn", at.data)).status).toBe(409);
  expect(at.starts()).toEqual([]);
});

test("every heartbeat of a restarted agent names itself as before and lists what it has taken over", async () => {
  const at = await theCase("serve");
  const first = await at.start();
  await first.deliver("backend.spawn", at.data);
  await first.reached(at.id, "ready");
  await first.kill();
  const before = at.slipway.heartbeats.splice(0);
  await at.takeOver();
  await eventually(() => at.slipway.heartbeats.length).toBeGreaterThan(0);
  expect(at.slipway.heartbeats[0]?.backends.map(({ id }) => id)).toEqual([at.id]);
  expect(new Set([...before, ...at.slipway.heartbeats].map(({ agent_id }) => agent_id)).size).toBe(1);
});
