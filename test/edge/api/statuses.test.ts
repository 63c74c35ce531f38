import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { routes } from "../../../src/edge/api/routes.ts";
import { createApp } from "../../../src/edge/app.ts";
import { backendsStub } from "../../../src/objects/stubs.ts";
import { publicState } from "../../../src/protocol/backend-state.ts";
import { v1State } from "../../../src/protocol/jamsocket/v1.ts";
import { backendAnswer, connectAnswer, runningBackendsAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import {
  heartbeatAnswer,
  type StatusReportBody,
  statusReportAnswer,
} from "../../../src/protocol/v3/agent.ts";
import { backendList } from "../../../src/protocol/v3/backends.ts";
import {
  apiOrigin,
  call,
  createAccount,
  createCluster,
  createService,
  freshName,
  refusal,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";
import { clusterTest } from "../../support/worker/worker-test.ts";

let account: TestAccount;
let agent: string;

const test = clusterTest
  /** Starts a backend, and speaks for the agent that runs it. */
  .extend("startBackend", { scope: "file" }, ({ cluster }) => async (json: object = {}) => {
    const path = "/v2/service/acme/hello/connect";
    const connection = await call(connectAnswer, path, { token: account.admin, json });
    const spawned = cluster.of("backend.spawn").at(-1)?.message;
    if (spawned?.type !== "backend.spawn") throw new Error("the cluster received no spawn");
    const { fencing_token, backend_id } = spawned.data;
    const report = (status: Omit<StatusReportBody, "fencing_token">) =>
      call(statusReportAnswer, `/v3/agent/backends/${backend_id}/status`, {
        token: agent,
        json: { ...status, fencing_token },
      });
    return { id: backend_id, fencingToken: fencing_token, token: connection.token, report };
  });

test.beforeAll(async ({ cluster: _ }) => {
  account = await createAccount("acme");
  agent = (await createCluster(account)).agent_token;
  const service = await createService(account);
  const json = { digest: `sha256:${"a".repeat(64)}`, tag: "latest" };
  expect((await send(`${service}/images`, { token: account.admin, json })).status).toBe(201);
});

/** Reads a stream event by event, as the CLI does: a chunk may hold several events, but never a part of one. */
async function readEvents(path: string) {
  const response = await send(path);
  if (!response.body) throw new Error("the answer has no body");
  const reader = response.body.getReader();
  const pending: string[] = [];
  const next = async (): Promise<string | null> => {
    const event = pending.shift();
    if (event !== undefined) return event;
    const { done, value } = await reader.read();
    if (done) return null;
    const chunk = new TextDecoder().decode(value);
    expect([chunk.startsWith("data: "), chunk.endsWith("\n\n")]).toEqual([true, true]);
    pending.push(...chunk.split(/(?<=\n\n)/));
    return next();
  };
  return { response, next, leave: () => reader.cancel() };
}

describe("the status of a backend", () => {
  test("is shown to anybody, in the words of each version", async ({ startBackend }) => {
    const { id, report } = await startBackend();
    await report({ status: "waiting" });
    expect(await call(publicState, `/v2/backend/${id}/status`)).toMatchObject({ status: "waiting" });
    for (const path of [`/backend/${id}/status`, `/v1/backend/${id}/status`]) {
      expect(await call(v1State, path)).toMatchObject({ state: "Starting", backend: id });
    }
  });

  test("shows strangers only that there was an error, and the token's holder the exit code", async ({
    startBackend,
  }) => {
    const { id, report } = await startBackend();
    await report({ status: "ready" });
    await report({ status: "terminated", exit_code: 3 });
    const state = await call(publicState.loose(), `/v2/backend/${id}/status`);
    expect(state).toMatchObject({ status: "terminated", exit_error: true });
    expect(state).not.toHaveProperty("exit_code");
    const backend = await call(backendAnswer, `/v2/backend/${id}`, { token: account.admin });
    expect(backend.statuses.at(-1)).toMatchObject({ exit_code: 3, last_status: "ready" });
    expect(backend).toMatchObject({ id, service_name: "hello", environment_name: "default" });
  });

  test("lists a backend as running until it has ended", async ({ startBackend }) => {
    const { id, report } = await startBackend({ key: "listed" });
    const running = async () => {
      const answer = await call(runningBackendsAnswer, "/v2/account/acme/backends", { token: account.admin });
      return answer.running_backends.find((backend) => backend.id === id);
    };
    expect(await running()).toMatchObject({ cluster_name: "main", key: "listed" });
    const path = "/v3/accounts/acme/services/hello/backends?key=listed";
    const { backends } = await call(backendList, path, { token: account.admin });
    expect(backends.map((backend) => backend.id)).toEqual([id]);
    await report({ status: "terminated" });
    expect(await running()).toBeUndefined();
  });

  test("says BackendNotRunning, the one code that the CLI knows by name, to an end after the end", async ({
    startBackend,
  }) => {
    const { id, report } = await startBackend();
    await report({ status: "terminated" });
    for (const path of [`/v2/backend/${id}/terminate`, `/backend/${id}/terminate`]) {
      const answer = await refusal(path, { token: account.admin, method: "POST" });
      expect([answer.status, answer.code]).toEqual([409, "BackendNotRunning"]);
    }
  });
});

describe("a status stream", () => {
  test("of v2 replays, follows, and ends after terminated", async ({ startBackend }) => {
    const { id, report } = await startBackend();
    await report({ status: "loading" });
    const events = await readEvents(`/v2/backend/${id}/status/stream`);
    expect(events.response.headers.get("content-type")).toBe("text/event-stream");
    expect(events.response.headers.get("cache-control")).toContain("no-transform");
    expect(events.response.headers.get("access-control-allow-origin")).toBe("*");
    expect(events.response.headers.get("x-request-id")).toMatch(/./);
    expect(await events.next()).toMatch(/^data: \{"status":"scheduled",[^\n]*\}\n\n$/);
    expect(await events.next()).toMatch(/^data: \{"status":"loading",[^\n]*\}\n\n$/);
    await report({ status: "ready" });
    expect(await events.next()).toMatch(/^data: \{"status":"ready",[^\n]*\}\n\n$/);
    await report({ status: "terminated", exit_code: 0 });
    expect(await events.next()).toMatch(/^data: \{"status":"terminated",[^\n]*"exit_error":false\}\n\n$/);
    expect(await events.next()).toBeNull();
  });

  test("of v1 leaves consecutive duplicates out", async ({ startBackend }) => {
    const { id, report } = await startBackend();
    for (const status of ["loading", "starting", "waiting", "ready"] as const) await report({ status });
    const events = await readEvents(`/v1/backend/${id}/status/stream`);
    await report({ status: "terminated", exit_code: 1 });
    const states: string[] = [];
    for (let event = await events.next(); event !== null; event = await events.next()) states.push(event);
    expect(states.map((event) => v1State.parse(JSON.parse(event.slice("data: ".length))).state)).toEqual([
      "Loading",
      "Starting",
      "Ready",
      "Failed",
    ]);
  });

  test("of a backend that has ended replays and ends", async ({ startBackend }) => {
    const { id, report } = await startBackend();
    await report({ status: "terminated" });
    const events = await readEvents(`/v2/backend/${id}/status/stream`);
    expect(await events.next()).toContain("scheduled");
    expect(await events.next()).toContain("terminated");
    expect(await events.next()).toBeNull();
  });

  test("may be left at any time", async ({ startBackend }) => {
    const { id, report } = await startBackend();
    const events = await readEvents(`/v2/backend/${id}/status/stream`);
    expect(await events.next()).toContain("scheduled");
    await events.leave();
    expect(await report({ status: "ready" })).toEqual({ accepted: true, current: "ready" });
  });

  test.for(["/v2/backend/:id/status/stream", "/backend/:id/status/stream"])(
    "at %s of a backend that its service has never started is 404",
    async (path, { startBackend }) => {
      const { id } = await startBackend();
      const never = id.slice(0, 5) + "0".repeat(8);
      const answer = await refusal(path.replace(":id", never));
      expect([answer.status, answer.code]).toEqual([404, "backend_not_found"]);
    },
  );
});

describe("the places of status streams", () => {
  /** Opens streams where the deployment allows so many, each as a client that a front names. */
  function deployment(limits: { perBackend: number; perAddress: number }) {
    const app = createApp(routes);
    const bindings = {
      ...env,
      STATUS_STREAMS_PER_BACKEND: String(limits.perBackend),
      STATUS_STREAMS_PER_ADDRESS: String(limits.perAddress),
      CLIENT_ADDRESS_HEADER: "X-Real-IP",
    };
    return async (path: string, address?: string) => {
      const headers = address === undefined ? {} : { "x-real-ip": address };
      const response = await app.fetch(new Request(`${apiOrigin}${path}`, { headers }), bindings);
      const reader = response.body?.getReader();
      const ended = async () => {
        for (let read = await reader?.read(); read?.done === false; ) read = await reader?.read();
      };
      return { response, status: response.status, ended, leave: () => reader?.cancel() };
    };
  }
  const paths = [
    "/v2/backend/:id/status/stream",
    "/v1/backend/:id/status/stream",
    "/backend/:id/status/stream",
  ];
  const freshAddress = () => `2001:db8:0:${freshName("").slice(1)}::1`;

  test.for(paths)("of one backend at %s are limited, and given out again", async (path, { startBackend }) => {
    const [{ id }, other] = [await startBackend(), await startBackend()];
    const open = deployment({ perBackend: 2, perAddress: 10 });
    const at = (backendId: string) => open(path.replace(":id", backendId));
    const [first, second] = [await at(id), await at(id)];
    const refused = await at(id);
    expect([first.status, second.status, refused.status]).toEqual([200, 200, 429]);
    expect(refused.response.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    expect(refused.response.headers.get("access-control-allow-origin")).toBe("*");
    expect((await at(other.id)).status).toBe(200);
    await second.leave();
    expect((await at(id)).status).toBe(200);
  });

  test("of one address are limited, whatever backends they are of, and of no address are not", async ({
    startBackend,
  }) => {
    const ids = [(await startBackend()).id, (await startBackend()).id];
    const open = deployment({ perBackend: 10, perAddress: 2 });
    const [address, neighbour] = [freshAddress(), freshAddress()];
    const at = async (from: string | undefined, i: number) =>
      (await open(`/v2/backend/${ids[i % 2]}/status/stream`, from)).status;
    expect([await at(address, 0), await at(address, 1), await at(address, 0)]).toEqual([200, 200, 429]);
    expect([await at(neighbour, 0), await at(neighbour, 1)]).toEqual([200, 200]);
    for (let i = 0; i < 4; i++) expect(await at(undefined, i)).toBe(200);
  });

  test("are given back whichever way a stream ends, and where none begins", async ({ startBackend }) => {
    const open = deployment({ perBackend: 1, perAddress: 1 });
    const address = freshAddress();
    const at = (id: string) => open(`/v2/backend/${id}/status/stream`, address);
    const { id, report } = await startBackend();

    expect((await at(`${id.slice(0, 5)}${"0".repeat(8)}`)).status).toBe(404);
    const left = await at(id);
    await left.leave();
    const ending = await at(id);
    expect([left.status, ending.status, (await at(id)).status]).toEqual([200, 200, 429]);
    await report({ status: "terminated" });
    await ending.ended();
    const again = await at(id);
    expect(again.status).toBe(200);
    await again.ended();

    const next = await startBackend();
    const broken = await at(next.id);
    const shard = backendsStub(env, { account: "acme", service: "hello", location: "auto" }, next.id);
    await runInDurableObject(shard, (_, state) => state.abort("restarted")).catch(() => null);
    await broken.ended();
    expect((await at(next.id)).status).toBe(200);
  });

  test("hold a room of 500 behind one address, each of whom gets every status", async ({ startBackend }) => {
    const { id, report } = await startBackend();
    const open = deployment({ perBackend: 2_000, perAddress: 1_000 });
    const address = freshAddress();
    const room = await Promise.all(
      Array.from({ length: 500 }, () => open(`/v2/backend/${id}/status/stream`, address)),
    );
    expect(new Set(room.map(({ status }) => status))).toEqual(new Set([200]));
    await report({ status: "terminated" });
    await Promise.all(room.map(({ ended }) => ended()));
  });

  test("that are not set to a whole number stop streams only, and say so in the log", async ({
    startBackend,
  }) => {
    const { id } = await startBackend();
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const bindings = { ...env, STATUS_STREAMS_PER_BACKEND: "many" };
    const ask = (path: string) => createApp(routes).fetch(new Request(apiOrigin + path), bindings);
    expect((await ask(`/v2/backend/${id}/status/stream`)).status).toBe(500);
    expect(String(logged.mock.calls[0])).toContain("STATUS_STREAMS_PER_BACKEND is not a whole number: many");
    expect((await ask(`/v2/backend/${id}/status`)).status).toBe(200);
  });
});

describe("the page of a backend that starts", () => {
  test("looks again every second, without any script", async ({ startBackend }) => {
    const { id, token, report } = await startBackend();
    await report({ status: "loading" });
    const answer = await send(`/ready/${id}/${token}`);
    const page = await answer.text();
    expect(answer.headers.get("content-type")).toMatch(/^text\/html/);
    expect(page).toContain('<meta http-equiv="refresh" content="1">');
    expect(page).toContain("loading");
    expect(page).not.toContain("<script");
    const policy = answer.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    const nonce = /style-src 'nonce-([^']+)'/.exec(policy)?.[1];
    expect(page).toContain(`<style nonce="${nonce}">`);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.headers.get("referrer-policy")).toBe("no-referrer");
  });

  test("goes to the backend once it is ready, and says nothing of the token to the next site", async ({
    startBackend,
  }) => {
    const { id, token, report } = await startBackend();
    await report({ status: "ready" });
    const answer = await send(`/ready/${id}/${token}`);
    expect(answer.status).toBe(302);
    expect(answer.headers.get("location")).toBe(`https://${id}.cluster.test/${token}/`);
    expect(answer.headers.get("referrer-policy")).toBe("no-referrer");
    const withoutToken = await send(`/ready/${id}`);
    expect(withoutToken.headers.get("location")).toBe(`https://${id}.cluster.test/`);
  });

  test("does not leave the backend's host, whatever stands for the token", async ({ startBackend }) => {
    const { id, report } = await startBackend();
    await report({ status: "ready" });
    const answer = await send(`/ready/${id}/${encodeURIComponent("../..//evil.test/?\r\n")}`);
    const location = new URL(answer.headers.get("location") ?? "");
    expect(location.host).toBe(`${id}.cluster.test`);
    expect(location.pathname.split("/")).toHaveLength(3);
  });

  test("says what went wrong when the backend has ended, and looks no more", async ({ startBackend }) => {
    const { id, token, report } = await startBackend();
    await report({ status: "terminated", termination_reason: "internalerror", exit_code: 137 });
    const page = await (await send(`/ready/${id}/${token}`)).text();
    expect(page).toContain("internal error");
    expect(page).toContain("137");
    expect(page).not.toContain("refresh");
  });

  test.for(["terminating", "hard-terminating"] as const)(
    "says that a backend is %s, and looks no more",
    async (status, { startBackend }) => {
      const { id, token, report } = await startBackend();
      await report({ status, termination_reason: "swept" });
      const page = await (await send(`/ready/${id}/${token}`)).text();
      expect(page).toContain("This session is ending");
      expect(page).toContain("It was idle");
      expect(page).not.toContain("refresh");
    },
  );

  test("is light or dark as the reader prefers", async ({ startBackend }) => {
    const { id } = await startBackend();
    const page = await (await send(`/ready/${id}`)).text();
    expect(page).toMatch(/:root \{[^}]*color-scheme: light dark;/);
  });
});

describe("an agent", () => {
  test("is answered that a status would go backwards, which is no error", async ({ startBackend }) => {
    const { report } = await startBackend();
    await report({ status: "ready" });
    expect(await report({ status: "loading" })).toEqual({ accepted: false, current: "ready" });
  });

  test("of another cluster of the account does not find the backend", async ({ startBackend }) => {
    const { id, fencingToken } = await startBackend();
    const other = await createCluster(account, "elsewhere");
    const answer = await refusal(`/v3/agent/backends/${id}/status`, {
      token: other.agent_token,
      json: { status: "terminated", fencing_token: fencingToken },
    });
    expect([answer.status, answer.code]).toEqual([404, "backend_not_found"]);
    expect(await call(publicState, `/v2/backend/${id}/status`)).toMatchObject({ status: "scheduled" });
  });

  test("sends heartbeats, also with thousands of backends, and receives what it should not run", async ({
    startBackend,
  }) => {
    const { id, fencingToken } = await startBackend();
    const unknown = Array.from({ length: 2000 }, (_, i) => ({
      id: `00000${String(i).padStart(8, "0")}`,
      status: "ready",
      fencing_token: 1,
    }));
    const answer = await call(heartbeatAnswer, "/v3/agent/heartbeat", {
      token: agent,
      json: {
        cluster: "main",
        agent_id: "a",
        version: "1",
        backends: [{ id, status: "ready", fencing_token: fencingToken }, ...unknown],
      },
    });
    expect(answer.lease_seconds).toBe(45);
    expect(answer.terminate).toHaveLength(unknown.length);
    expect(answer.terminate).not.toContain(id);
  });
});
