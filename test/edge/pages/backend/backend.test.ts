import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { connectAnswer } from "../../../../src/protocol/jamsocket/v2.ts";
import { environment } from "../../../../src/protocol/v3/services.ts";
import {
  call,
  createAccount,
  createCluster,
  createService,
  createToken,
  send,
  type TestAccount,
} from "../../../support/worker/api.ts";
import { type ScriptedCluster, startScriptedCluster } from "../../../support/worker/scripted-cluster.ts";

let cluster: ScriptedCluster;
let account: TestAccount;
let agent: string;
let reader: string;
let narrowed: string;

beforeAll(async () => {
  cluster = startScriptedCluster();
  account = await createAccount();
  agent = (await createCluster(account)).agent_token;
  const service = await createService(account);
  const { admin } = account;
  const json = { digest: `sha256:${"a".repeat(64)}`, tag: "latest" };
  await call(z.looseObject({}), `${service}/images`, { token: admin, json });
  for (const name of ["staging", "prod"]) {
    await call(environment, `${service}/environments`, { token: admin, json: { name } });
  }
  reader = (await createToken(account, { role: "read" })).secret_token;
  narrowed = (await createToken(account, { role: "spawn", service: "hello", environments: ["staging"] }))
    .secret_token;
});
beforeEach(() => cluster.alwaysStreams(() => new Response(null, { status: 404 })));
afterAll(() => vi.restoreAllMocks());

async function startBackend(key?: string): Promise<string> {
  const path = `/v2/service/${account.name}/hello/prod/connect`;
  const json = key === undefined ? {} : { key };
  return (await call(connectAnswer, path, { token: account.admin, json })).backend_id;
}

function report(id: string, status: string, more: object = {}) {
  const spawned = cluster
    .of("backend.spawn")
    .flatMap(({ message }) => (message.type === "backend.spawn" ? message.data : []))
    .find((data) => data.backend_id === id);
  return call(z.looseObject({}), `/v3/agent/backends/${id}/status`, {
    token: agent,
    json: { status, fencing_token: spawned?.fencing_token, ...more },
  });
}

function open(path: string, token = account.admin, headers: Record<string, string> = {}) {
  return send(path, { headers: { cookie: `slipway_session=${token}`, ...headers } });
}

async function textOf(path: string, token?: string): Promise<string> {
  return (await open(path, token)).text();
}

async function stateOf(id: string): Promise<string> {
  const { status } = await call(z.looseObject({ status: z.string() }), `/v2/backend/${id}/status`);
  return status;
}

/** Sends a form with what the page gave for it. */
async function submit(id: string, form: string, token = account.admin, csrf?: string) {
  const given = csrf ?? /name="csrf" value="([^"]*)"/.exec(await textOf("/", token))?.[1] ?? "";
  const cookie = `slipway_session=${token}`;
  const headers = { cookie, "content-type": "application/x-www-form-urlencoded" };
  const body = new URLSearchParams({ csrf: given, do: form }).toString();
  return send(`/backend/${id}`, { method: "POST", body, headers });
}

function clusterPrints(...lines: string[]): void {
  const body = lines.map((line) => `data: ${line}\n\n`).join("");
  cluster.alwaysStreams(() => new Response(body, { headers: { "content-type": "text/event-stream" } }));
}

const markup = `<img src=x onerror=alert(1)>"'&`;
const streams = ["live/log", "live/usage", "log.txt"];

describe("the page of a backend", () => {
  test("says what the backend is, through which pin it was spawned, and where to go from it", async () => {
    const id = await startBackend();
    const text = await textOf(`/backend/${id}`);
    expect(text).toContain(`<h1>Backend ${id}</h1>`);
    expect(text).toContain(`href="/service/${account.name}/hello"`);
    expect(text).toContain(`href="/service/${account.name}/hello/environment/prod"`);
    expect(text).toContain(`href="/clusters/main"`);
    expect(text).toContain(`sha256:${"a".repeat(64)}`);
    expect(text).toMatch(/pin <code>latest<\/code>, revision 1/);
    expect(text).toContain(`https://${id}.cluster.test`);
    expect(text).toContain(`npx slipway backends logs ${id}`);
  });

  test("names no connection token", async () => {
    const path = `/v2/service/${account.name}/hello/prod/connect`;
    const json = { key: "with a token" };
    const connected = await call(connectAnswer, path, { token: account.admin, json });
    const text = await textOf(`/backend/${connected.backend_id}`);
    expect(text).not.toContain(connected.token);
    expect(text).not.toContain(connected.secret_token);
  });

  test("escapes markup in a key, in its words and in the command to copy", async () => {
    const text = await textOf(`/backend/${await startBackend(markup)}`);
    expect(text).not.toContain("<img");
    expect(text).toContain("&lt;img src=x onerror=alert(1)&gt;");
    expect(text).toContain("--key &#39;&lt;img");
  });

  test("tells its statuses with how long it was in each", async () => {
    const id = await startBackend();
    await report(id, "loading");
    await report(id, "ready");
    const text = await textOf(`/backend/${id}`);
    expect(text).toMatch(/loading: \d+ ms.*ready: \d+ ms so far/s);
    expect(text).toMatch(/ready after \d+ ms/);
  });

  test("tells how a backend ended, and offers no way to end it again", async () => {
    const id = await startBackend();
    expect(await textOf(`/backend/${id}`)).toContain("Terminate hard");
    await report(id, "terminated", { termination_reason: "internalerror", exit_code: 7 });
    const text = await textOf(`/backend/${id}`);
    expect(text).toContain("terminated, failed");
    expect(text).toContain("Its process exited with code 7.");
    expect(text).not.toContain('<button type="submit" name="do"');
    expect(text).not.toContain(`https://${id}.cluster.test`);
  });

  test("follows the statuses of a live backend, and stops for good at its end", async () => {
    const id = await startBackend();
    expect(await textOf(`/backend/${id}`)).toContain(`hx-sse:connect="/backend/${id}?live="`);
    const answer = await open(`/backend/${id}?live=`);
    const heard = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    const next = async () => (await heard?.read())?.value ?? "";
    expect(await next()).not.toContain("ready after");
    await report(id, "ready");
    expect(await next()).toContain("ready after");
    await report(id, "terminated", { exit_code: 0 });
    const told = (await next()) + (await next());
    expect(told).toContain("How it ended");
    expect(told.endsWith("event: over\ndata: \n\n")).toBe(true);
    expect((await heard?.read())?.done).toBe(true);
    expect(await textOf(`/backend/${id}`)).not.toContain(`/backend/${id}?live=`);
  });

  test("is not found for an id of nobody's, nor for another account's", async () => {
    const id = await startBackend();
    const stranger = await createAccount();
    for (const path of ["", ...streams.map((stream) => `/${stream}`)]) {
      expect((await open(`/backend/zzzzzzzzzzzzz${path}`)).status).toBe(404);
      expect((await open(`/backend/${id}${path}`, stranger.admin)).status).toBe(404);
    }
    expect((await submit(id, "terminate", stranger.admin)).status).toBe(404);
    expect(await stateOf(id)).toBe("scheduled");
  });

  test("is refused to a token that is narrowed to other environments, and so is all that belongs to it", async () => {
    const id = await startBackend();
    clusterPrints("secret of prod");
    for (const path of ["", ...streams.map((stream) => `/${stream}`)]) {
      const answer = await open(`/backend/${id}${path}`, narrowed);
      expect(answer.status).toBe(403);
      const text = await answer.text();
      expect(text).toContain("may not look at backends of environment `prod`");
      expect(text).not.toContain("secret of prod");
    }
    const csrf = /name="csrf" value="([^"]*)"/.exec(await textOf("/", narrowed))?.[1] ?? "";
    expect((await submit(id, "terminate", narrowed, csrf)).status).toBe(403);
    expect(await stateOf(id)).toBe("scheduled");
  });

  test("asks a person who is not logged in to do so, and tells a script that it is over", async () => {
    const id = await startBackend();
    for (const path of ["", ...streams.map((stream) => `/${stream}`)]) {
      const answer = await send(`/backend/${id}${path}`);
      expect(answer.status).toBe(303);
      expect(answer.headers.get("location")).toBe(
        `/login?next=${encodeURIComponent(`/backend/${id}${path}`)}`,
      );
    }
    const asked = await send(`/backend/${id}/live/log`, { headers: { accept: "text/event-stream" } });
    expect(await asked.text()).toBe("event: over\ndata: \n\n");
  });
});

describe("the forms of a backend's page", () => {
  test.each([
    ["terminate", "terminating", "it gets 30 s to finish"],
    ["terminate-hard", "hard-terminating", "was told to stop at once"],
  ])("`%s` makes it %s, and the page says so", async (form, status, notice) => {
    const id = await startBackend();
    await report(id, "ready");
    const answer = await submit(id, form);
    expect([answer.status, answer.headers.get("location")]).toEqual([303, `/backend/${id}`]);
    expect(await stateOf(id)).toBe(status);
    const told = answer.headers.get("set-cookie")?.split(";", 1)[0] ?? "";
    const page = await send(`/backend/${id}`, {
      headers: { cookie: `slipway_session=${account.admin}; ${told}` },
    });
    const text = await page.text();
    expect(text).toContain(notice);
    expect(text).toContain("Why it ends");
    expect(text).not.toContain(`value="terminate"`);
    expect(text.includes(`value="terminate-hard"`)).toBe(status === "terminating");
  });

  test("are refused to a token without the right, with the reason, and change nothing", async () => {
    const id = await startBackend();
    expect(await textOf(`/backend/${id}`, reader)).toContain("You cannot end it here: a token with the role");
    const answer = await submit(id, "terminate", reader);
    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain("a token with the role `read` may not do this");
    expect(await stateOf(id)).toBe("scheduled");
  });

  test("are refused without the session's mark, and change nothing", async () => {
    const id = await startBackend();
    for (const csrf of ["", "of another session"]) {
      expect((await submit(id, "terminate", account.admin, csrf)).status).toBe(403);
    }
    expect(await stateOf(id)).toBe("scheduled");
  });

  test("say of a backend that has ended that it is not running", async () => {
    const id = await startBackend();
    await report(id, "terminated");
    const answer = await submit(id, "terminate");
    expect(answer.status).toBe(409);
    expect(await answer.text()).toContain(`backend \`${id}\` is not running`);
  });
});

describe("the log on a backend's page", () => {
  test("is what the backend printed, without markup, colours or other control characters", async () => {
    const id = await startBackend();
    clusterPrints("\u001b[1;31mred\u001b[0m", markup, "  indented", "", "bell\u0007");
    const answer = await open(`/backend/${id}/live/log`);
    expect(answer.headers.get("content-type")).toBe("text/event-stream");
    const text = await answer.text();
    expect(text).toContain("red\ndata: &lt;img src=x");
    expect(text).toContain("\ndata:   indented\ndata: \ndata: bell\ufffd\n");
    expect(text).not.toContain("<img");
    expect(text).not.toContain("\u001b");
  });

  test("is never more than the newest 500 lines, each cut", async () => {
    const id = await startBackend();
    clusterPrints(...Array.from({ length: 700 }, (_, i) => `line ${i}.`), "x".repeat(5_000));
    const text = await textOf(`/backend/${id}/live/log`);
    expect(text.match(/line \d+\./g)).toHaveLength(499);
    expect(text).toContain("line 699.");
    expect(text).toMatch(/[^x]x{2000} …/);
  });

  test("is asked for again where a live backend's stream ends, and not where it has ended", async () => {
    const id = await startBackend();
    clusterPrints("one");
    const live = await textOf(`/backend/${id}/live/log`);
    expect(live).toMatch(/^retry: \d+\n/);
    expect(live).not.toContain("event: over");
    await report(id, "terminated");
    const ended = await textOf(`/backend/${id}/live/log`);
    expect(ended).toContain("The backend has ended: this is the last of its output.");
    expect(ended).toMatch(/event: over\ndata: \n\n$/);
  });

  test("says that the cluster cannot be reached, and asks again", async () => {
    const id = await startBackend();
    cluster.alwaysStreams(() => new Response(null, { status: 503 }));
    for (const stream of ["live/log", "live/usage"]) {
      const text = await textOf(`/backend/${id}/${stream}`);
      expect(text).toMatch(/^retry: 10000\n/);
      expect(text).toContain("Cluster `main` gave no");
      expect(text).not.toContain("event: over");
    }
  });

  test("says that the output of an ended backend is gone, and asks no more", async () => {
    const id = await startBackend();
    await report(id, "terminated");
    const text = await textOf(`/backend/${id}/live/log`);
    expect(text).toContain("Nothing is left of it: cluster `main` has no logs");
    expect(text).toContain("event: over");
    clusterPrints();
    expect(await textOf(`/backend/${id}/live/log`)).toContain("cluster main has none of its output");
  });

  test("is to be had as plain text, which no browser takes for anything else", async () => {
    const id = await startBackend();
    clusterPrints("\u001b[32mgreen\u001b[0m", markup, ...Array.from({ length: 700 }, (_, i) => `line ${i}.`));
    const answer = await open(`/backend/${id}/log.txt`);
    expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
    const text = await answer.text();
    expect(text.startsWith(`green\n${markup}\nline 0.\n`)).toBe(true);
    expect(text.endsWith("line 699.\n")).toBe(true);
  });

  test("as plain text is a page that says why, where there is none", async () => {
    const id = await startBackend();
    cluster.alwaysStreams(() => new Response(null, { status: 503 }));
    const answer = await open(`/backend/${id}/log.txt`);
    expect(answer.status).toBe(503);
    expect(await answer.text()).toContain("Cluster `main` gave no logs");
  });
});

describe("the measurements on a backend's page", () => {
  const sample = { mem_used: 50_000_000, mem_available: 150_000_000, cpu_used: 5, sys_cpu: 200 };

  test("are the latest, with the limit of memory", async () => {
    const id = await startBackend();
    clusterPrints("no measurement", JSON.stringify(sample), JSON.stringify({ ...sample, cpu_used: 25 }));
    const text = await textOf(`/backend/${id}/live/usage`);
    expect(text).toContain("2 measurements");
    expect(text).toMatch(/CPU.*12\.5 %.*7\.5 %.*12\.5 %.*Memory.*50 MB.*200 MB/s);
  });

  test("are not asked for where the backend has ended", async () => {
    const id = await startBackend();
    await report(id, "terminated");
    clusterPrints(JSON.stringify(sample));
    const text = await textOf(`/backend/${id}/live/usage`);
    expect(text).toContain("it uses nothing any more");
    expect(text).toContain("event: over");
    expect(text).not.toContain("measurements");
  });
});
