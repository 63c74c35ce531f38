import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, onTestFinished, vi } from "vitest";
import { tokenCacheMs } from "../../../src/domain/limits.ts";
import { mountedPaths } from "../../../src/edge/api/route.ts";
import { routes } from "../../../src/edge/api/routes.ts";
import { createApp } from "../../../src/edge/app.ts";
import { startSession } from "../../../src/edge/credentials/sessions.ts";
import { pages } from "../../../src/edge/pages/pages.ts";
import { accountStub } from "../../../src/objects/stubs.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { drain } from "../../../src/protocol/v3/drains.ts";
import { apiOrigin, call, createAccount, createCluster, createToken } from "../../support/worker/api.ts";
import { frozenAt } from "../../support/worker/clock.ts";
import { digestOf, pinnedService } from "../../support/worker/pinned-service.ts";
import { clusterTest } from "../../support/worker/worker-test.ts";

/*
 * Whoever may not see a stream any more loses it within the 10 s of the token cache and one keep-alive, although nothing
 * comes, and gets nothing of what comes after the 10 s.
 */

/** The API's streams for whoever has a credential: a new one fails the test of the table until it is here. */
const apiStreams = [
  "/backend/:id/logs",
  "/v1/backend/:id/logs",
  "/v2/backend/:id/logs/stream",
  "/v2/backend/:id/metrics/stream",
  "/v3/accounts/:account/events",
  "/v3/accounts/:account/services/:service/drains/:drain/stream",
];

const pageStreams = pages.flatMap((page) =>
  "answer" in page ? [page.path] : page.changes ? [`${page.path}?live=`] : [],
);

/** Plain text, which nothing can be added to while nothing is printed: it ends with the next line. */
const withoutKeepAlive = "/backend/:id/log.txt";

const keepAliveMs = 15_000;
const actor = { tokenId: "0", tokenName: "of a test" };
const line = JSON.stringify({ mem_used: 1, mem_available: 2, cpu_used: 3, sys_cpu: 4 });
const printed = new TextEncoder().encode(`data: ${line}\n\n`);

const test = clusterTest
  /** Time passes, and what happens at intervals happens, as the test has it. */
  .extend("clock", { auto: true }, ({ task: _ }, { onCleanup }) => {
    vi.useFakeTimers({ toFake: ["Date", "setInterval", "clearInterval"], now: frozenAt });
    onCleanup(() => {
      vi.useRealTimers();
    });
  })
  .extend("hello", async ({ clock: _, cluster }) => {
    const account = await createAccount();
    await createCluster(account);
    const service = await pinnedService(account);
    const { backend_id } = await service.connect();
    const token = account.admin;
    await call(connectAnswer, `/v2/service/${account.name}/hello/prod/connect`, {
      token,
      json: { spawn: { tag: "v2" } },
    });
    const json = { digest: digestOf.v2 };
    const under = await call(drain, `${service.api}/drains`, { token, json });
    const streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
    cluster.alwaysStreams(() => {
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          streams.add(controller);
          controller.enqueue(printed);
        },
      });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    });
    return {
      account,
      pathOf: (path: string) =>
        path
          .replace(":id", backend_id)
          .replace(":account", account.name)
          .replace(":service", "hello")
          .replace(":environment", "prod")
          .replace(":cluster", "main")
          .replace(":digest", digestOf.v1)
          .replace(":drain", under.id),
      /** Something that every stream has something to say of. */
      async happen() {
        for (const controller of streams) controller.enqueue(printed);
        await service.pin("v2");
      },
    };
  });

type Hello = { account: { name: string; admin: string }; pathOf(path: string): string };

/** Ways in which a credential ends, or comes to permit less: at its account, so that no isolate learns of it. */
const ends: Record<string, (hello: Hello) => Promise<{ credential: string; end(): Promise<unknown> }>> = {
  async "is revoked"({ account }) {
    const { id, secret_token } = await createToken(account, { role: "read" });
    return {
      credential: secret_token,
      end: () => accountStub(env, account.name).deleteToken(id, { actor }),
    };
  },
  async expires({ account }) {
    const { secret_token } = await createToken(account, { role: "read", expires_in_seconds: 60 });
    return { credential: secret_token, end: async () => vi.setSystemTime(Date.now() + 60_000) };
  },
  async "is a session that ends"({ account }) {
    const { id } = await createToken(account, { role: "read" });
    const started = await startSession(env, { account: account.name, tokenId: id }, "browser", null);
    if (!started.ok) throw new Error(started.error.message);
    const { session, token } = started.value;
    return {
      credential: token,
      end: () => accountStub(env, account.name).deleteSession(session.id, { actor }),
    };
  },
  async "is narrowed"({ account }) {
    const { id, secret_token } = await createToken(account, { role: "read" });
    const narrow = `UPDATE tokens SET service = 'hello', environments = '["staging"]' WHERE id = ?`;
    return {
      credential: secret_token,
      end: () =>
        runInDurableObject(accountStub(env, account.name), (_, { storage }) =>
          storage.sql.exec(narrow, id).toArray(),
        ),
    };
  },
};

async function open(path: string, credential: string) {
  const headers = {
    accept: "text/event-stream",
    ...(path.startsWith("/v3") || apiStreams.some((known) => matches(known, path))
      ? { authorization: `Bearer ${credential}` }
      : { cookie: `slipway_session=${credential}` }),
  };
  return createApp(routes, () => Date.now()).fetch(new Request(apiOrigin + path, { headers }), env);
}

function matches(pattern: string, path: string): boolean {
  return new RegExp(`^${pattern.replaceAll(/:\w+/g, "[^/]+")}$`).test(path);
}

/** Reads a stream in the background. */
async function reading(response: Response) {
  expect(response.status).toBe(200);
  const chunks: string[] = [];
  let isOver = false;
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  onTestFinished(() => reader?.cancel());
  const read = async () => {
    for (;;) {
      const next = await reader?.read();
      if (!next || next.done) break;
      chunks.push(next.value);
    }
    isOver = true;
  };
  void read();
  const soon = { timeout: 5_000, interval: 5 };
  return {
    chunks,
    isOver: () => isOver,
    begun: () => vi.waitFor(() => expect(chunks).not.toEqual([]), soon),
    ended: () => vi.waitFor(() => expect(isOver).toBe(true), soon),
  };
}

test("the table has every stream of the API for which one needs a credential", async ({ hello }) => {
  const streaming: string[] = [];
  const guarded = routes.filter(({ method, access }) => method === "GET" && access.kind !== "public");
  for (const path of guarded.flatMap(mountedPaths)) {
    const response = await open(hello.pathOf(path), hello.account.admin);
    if (response.headers.get("content-type") === "text/event-stream") streaming.push(path);
    await response.body?.cancel();
  }
  expect(streaming.toSorted()).toEqual(apiStreams.toSorted());
});

describe.for([...apiStreams, ...pageStreams])("%s", (path) => {
  test.for(Object.keys(ends))(
    "ends where its credential %s, although nothing comes",
    async (how, { hello }) => {
      const { credential, end } = (await ends[how]?.(hello)) ?? expect.fail();
      const stream = await reading(await open(hello.pathOf(path), credential));
      // Of the account's events there are none before something happens.
      if (path !== "/v3/accounts/:account/events") await stream.begun();
      await vi.advanceTimersByTimeAsync(keepAliveMs);
      expect(stream.isOver()).toBe(false);
      expect(await end()).not.toMatchObject({ ok: false });
      await vi.advanceTimersByTimeAsync(tokenCacheMs);
      if (path === withoutKeepAlive) await hello.happen();
      await vi.advanceTimersByTimeAsync(keepAliveMs);
      await stream.ended();
    },
  );

  test("sends nothing of what comes after its credential is revoked", async ({ hello }) => {
    const { credential, end } = (await ends["is revoked"]?.(hello)) ?? expect.fail();
    const stream = await reading(await open(hello.pathOf(path), credential));
    if (path !== "/v3/accounts/:account/events") await stream.begun();
    await end();
    await vi.advanceTimersByTimeAsync(tokenCacheMs);
    const before = stream.chunks.length;
    await hello.happen();
    await vi.advanceTimersByTimeAsync(keepAliveMs);
    await stream.ended();
    expect(stream.chunks.slice(before)).toEqual([]);
  });
});
