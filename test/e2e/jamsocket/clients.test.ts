import { join } from "node:path";
import { eventStream } from "jamsocket/lib/lib/request.js";
import { describe, expect, test, vi } from "vitest";
import type { z } from "zod";
import { publicState } from "../../../src/protocol/backend-state.ts";
import { spawnAnswer, statusOk, v1State } from "../../../src/protocol/jamsocket/v1.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { call } from "../../support/api.ts";
import { type EventStream, openEventStream } from "../../support/event-streams.ts";
import { makeFolder } from "../../support/folder.ts";
import { type LocalSystem, startLocalSystem } from "../../support/local-system.ts";
import { share } from "../../support/shared.ts";

/*
 * What the `@jamsocket/*` libraries do, over real connections and with a backend that really runs: a server connects,
 * and hands the URLs of the answer to a page, which follows the status stream from its own origin.
 */

let system: LocalSystem;

share({
  async start(stack) {
    const folder = stack.use(await makeFolder());
    system = stack.use(await startLocalSystem(join(folder.path, "state")));
  },
});

const pageOrigin = "https://app.example.com";

/** Connects as the server library does. */
const connect = (body: object = {}) =>
  call(system.local, connectAnswer, "/v2/service/demo/hello-world/prod/connect", { json: body });

const terminate = (id: string, hard: boolean) =>
  call(system.local, statusOk, `/v2/backend/${id}/terminate`, { json: { hard } });

const statesOf = <T>(stream: EventStream, schema: z.ZodType<T>) =>
  stream.events.map((event) => schema.parse(JSON.parse(event)));
const statusesOf = (stream: EventStream) => statesOf(stream, publicState).map(({ status }) => status);

const until = (condition: () => void) => vi.waitFor(condition, { timeout: 20_000 });

describe("a client of version 2", () => {
  test("follows until the backend is ready, and then finds it at its URL", async () => {
    const { url, status_url, ready_url } = await connect();
    const stream = await openEventStream(`${status_url}/stream`);
    await until(() => expect(statusesOf(stream)).toContain("ready"));
    expect(await (await fetch(url)).text()).toContain("hello-world");
    const status = publicState.parse(await (await fetch(status_url)).json());
    expect(status).toEqual(statesOf(stream, publicState).at(-1));
    const ready = await fetch(ready_url, { redirect: "manual" });
    expect([ready.status, ready.headers.get("location")]).toEqual([302, url]);
    stream.leave();
  });

  test("that reconnects sees the replay, and the end with its reason, after which the stream is over", async () => {
    const { backend_id, status_url } = await connect();
    const first = await openEventStream(`${status_url}/stream`);
    await until(() => expect(statusesOf(first)).toContain("ready"));
    first.leave();

    const second = await openEventStream(`${status_url}/stream`);
    await until(() => expect(second.events).toEqual(first.events));
    await terminate(backend_id, false);
    await until(() => expect(second.isOver).toBe(true));
    expect(second.events.slice(0, first.events.length)).toEqual(first.events);
    expect(statesOf(second, publicState).at(-1)).toMatchObject({
      status: "terminated",
      termination_reason: "external",
      termination_kind: "soft",
    });
    const times = statesOf(second, publicState).map(({ time }) => Date.parse(time));
    expect(times).toEqual(times.toSorted((a, b) => a - b));

    const third = await openEventStream(`${status_url}/stream`);
    await until(() => expect(third.isOver).toBe(true));
    expect(third.events).toEqual(second.events);
  });

  test("is given the same backend for the same key, until it has ended", async () => {
    const first = await connect({ key: "a document" });
    expect(await connect({ key: "a document" })).toMatchObject({
      backend_id: first.backend_id,
      spawned: false,
    });
    await terminate(first.backend_id, true);
    const next = await connect({ key: "a document" });
    expect([next.spawned, next.backend_id === first.backend_id]).toEqual([true, false]);
  });

  test("may be a page of another origin: it sends a preflight, and reads answers, streams and failures", async () => {
    const { status_url } = await connect();
    const stream = `${status_url}/stream`;
    for (const url of [status_url, stream, `${status_url.replace(/\w+\/status$/, "0000000000000/status")}`]) {
      const preflight = await fetch(url, {
        method: "OPTIONS",
        headers: { origin: pageOrigin, "access-control-request-method": "GET" },
      });
      await preflight.body?.cancel();
      expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([204, "*"]);
      const answer = await fetch(url, { headers: { origin: pageOrigin } });
      await answer.body?.cancel();
      expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    }
  });
});

describe("a client of version 1", () => {
  test("receives each state once, and the CLI's reader understands every event", async () => {
    const path = "/user/demo/service/hello-world/spawn";
    const json = { service_environment: "prod" };
    const { name, status_url } = await call(system.local, spawnAnswer, path, { json });
    const received: z.infer<typeof v1State>[] = [];
    const cli = eventStream(`${status_url}/stream`, {}, (event) =>
      received.push(v1State.parse(JSON.parse(event))),
    );
    await until(() => expect(received.at(-1)?.state).toBe("Ready"));
    await call(system.local, statusOk, `/backend/${name}/terminate`, { method: "POST" });
    await cli.closed;
    expect(received.map(({ state }) => state)).toEqual(["Loading", "Starting", "Ready", "Terminated"]);
    expect(new Set(received.map(({ backend }) => backend))).toEqual(new Set([name]));
  });
});
