import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type ScriptedCluster, startScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { wakesIn } from "../support/clock.ts";
import { caller, code, digestNumber, setUp, value } from "../support/service.ts";

let cluster: ScriptedCluster;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.parse("2030-01-01T00:00:00Z") });
  cluster = startScriptedCluster();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

type Hello = Awaited<ReturnType<typeof setUp>>;

/** Lets the clock run on to the next redelivery and the object do its work. */
async function passTime(hello: Hello, ms: number): Promise<void> {
  vi.setSystemTime(Date.now() + ms);
  await runDurableObjectAlarm(hello.service());
}

/** Evicting waits by the clock, which must run while it does. */
async function evict(hello: Hello): Promise<void> {
  const now = Date.now();
  vi.useRealTimers();
  await evictDurableObject(hello.service());
  vi.useFakeTimers({ toFake: ["Date"], now });
}

async function statusOf(hello: Hello, backendId: string) {
  const record = value(await hello.shard(backendId).describe(hello.account, "hello", backendId));
  return record.history.at(-1);
}

describe("the spawn webhook", () => {
  test("carries the digest, the pin and the fencing token, signed so that standardwebhooks verifies it", async () => {
    const hello = await setUp();
    await hello.push(1, "v1");
    await hello.push(2, "latest");
    const connection = value(await hello.connect({ key: "doc", spawn: { env: { FOO: "bar" } } }));
    const [delivery] = cluster.of("backend.spawn");
    expect(delivery?.message.data).toMatchObject({
      backend_id: connection.backendId,
      account: hello.account,
      service: "hello",
      environment: "default",
      cluster: "main",
      image: {
        digest: digestNumber(2),
        repository: `registry.test/${hello.account}/hello`,
        reference: `registry.test/${hello.account}/hello@${digestNumber(2)}`,
        tag: "latest",
      },
      pin: { image: "latest", revision: 1 },
      key: "doc",
      env: { FOO: "bar" },
      limits: { startup_timeout_seconds: 300, max_idle_seconds: 300 },
      secret_token: connection.secretToken,
    });
    const webhook = new Webhook(hello.signingSecret);
    vi.useRealTimers();
    expect(() => webhook.verify(delivery?.body ?? "", delivery?.headers ?? {})).toThrow(/timestamp/i);
  });

  test("is verified by the standardwebhooks package, and not when a byte of it differs", async () => {
    vi.useRealTimers();
    const hello = await setUp();
    await hello.push(1, "latest");
    value(await hello.connect());
    const [delivery] = cluster.of("backend.spawn");
    const webhook = new Webhook(hello.signingSecret);
    expect(webhook.verify(delivery?.body ?? "", delivery?.headers ?? {})).toMatchObject({
      type: "backend.spawn",
    });
    expect(() => webhook.verify(`${delivery?.body} `, delivery?.headers ?? {})).toThrow();
  });

  test("is repeated with the same id after two 500s and starts nothing twice", async () => {
    const hello = await setUp();
    await hello.push(1, "latest");
    cluster.script(500, 500, 200);
    const connection = value(await hello.connect({ key: "doc" }));
    expect(connection.status).toBe("scheduled");
    await passTime(hello, 1_300);
    await cluster.settled(2);
    await passTime(hello, 2_600);
    await cluster.settled(3);
    await passTime(hello, 60_000);
    const deliveries = cluster.of("backend.spawn");
    expect(deliveries).toHaveLength(3);
    expect(new Set(deliveries.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    expect(new Set(deliveries.map(({ message }) => JSON.stringify(message.data))).size).toBe(1);
    expect(value(await hello.connect({ key: "doc" }))).toMatchObject({
      spawned: false,
      backendId: connection.backendId,
    });
  });

  test("is repeated after the object was evicted in the middle of its redeliveries", async () => {
    const hello = await setUp();
    await hello.push(1, "latest");
    cluster.script(503, 200);
    const { backendId } = value(await hello.connect());
    await evict(hello);
    await passTime(hello, 1_300);
    await cluster.settled(2);
    expect(cluster.of("backend.spawn").map(({ message }) => message.data)).toMatchObject([
      { backend_id: backendId },
      { backend_id: backendId },
    ]);
  });

  test("is given up after its schedule: the backend ends with startuptimeout, and the cluster is told to stop it", async () => {
    const hello = await setUp();
    await hello.push(1, "latest");
    cluster.always(() => new Response("down", { status: 500 }));
    const { backendId } = value(await hello.connect({ key: "doc" }));
    for (const [i, seconds] of [1, 2, 4, 8, 16, 32].entries()) {
      await passTime(hello, seconds * 1_200 + 1);
      await cluster.settledOf("backend.spawn", i + 2);
    }
    await vi.waitFor(async () =>
      expect(await statusOf(hello, backendId)).toMatchObject({
        status: "terminated",
        termination_reason: "startuptimeout",
        last_status: "scheduled",
      }),
    );
    await cluster.settledOf("backend.terminate", 1);
    expect(cluster.of("backend.spawn")).toHaveLength(7);
    expect(cluster.of("backend.terminate")[0]?.message.data).toMatchObject({
      backend_id: backendId,
      hard: true,
    });
    cluster.always(() => Response.json({}));
    expect(value(await hello.connect({ key: "doc" })).spawned).toBe(true);
  });

  test("waits as long as Retry-After says", async () => {
    const hello = await setUp();
    await hello.push(1, "latest");
    cluster.script(() => new Response(null, { status: 429, headers: { "retry-after": "20" } }), 200);
    value(await hello.connect());
    await passTime(hello, 5_000);
    expect(cluster.of("backend.spawn")).toHaveLength(1);
    await passTime(hello, 16_000);
    await cluster.settled(2);
    expect(cluster.of("backend.spawn")).toHaveLength(2);
  });

  test.each([
    [
      "409 with a message",
      () => Response.json({ error: { message: "no room left" } }, { status: 409 }),
      "no room left",
    ],
    ["400 without one", () => new Response("?", { status: 400 }), "400"],
    [
      "a redirect, which is not followed",
      () => Response.redirect("https://cluster.test/elsewhere", 308),
      "redirect",
    ],
  ])("that is refused with %s ends the backend and tells the caller", async (_, answer, told) => {
    const hello = await setUp();
    await hello.push(1, "latest");
    cluster.script(answer);
    const refused = await hello.connect({ key: "doc" });
    expect(code(refused)).toBe("cluster_refused");
    expect(refused.ok ? "" : refused.error.message).toContain(told);
    expect(cluster.of("backend.spawn")).toHaveLength(1);
    const id = String(refused.ok ? "" : refused.error.details?.backend_id);
    await vi.waitFor(async () =>
      expect(await statusOf(hello, id)).toMatchObject({
        status: "terminated",
        termination_reason: "internalerror",
      }),
    );
    expect(value(await hello.connect({ key: "doc" })).spawned).toBe(true);
    expect(cluster.of("backend.terminate")).toHaveLength(0);
  });

  test("that is refused late, after a lost reply, ends the backend there too", async () => {
    const hello = await setUp();
    await hello.push(1, "latest");
    cluster.script(() => {
      throw new TypeError("connection closed");
    }, 409);
    const { backendId } = value(await hello.connect());
    await passTime(hello, 1_300);
    await cluster.settledOf("backend.terminate", 1);
    expect(cluster.of("backend.terminate")[0]?.message.data).toMatchObject({
      backend_id: backendId,
      hard: true,
    });
  });

  test("that a cluster without a template answers with nonsense ends the backend instead of handing out no URL", async () => {
    const hello = await setUp({ template: null });
    await hello.push(1, "latest");
    for (const body of ["not json", '{"url":"javascript:alert(1)"}', '{"url":7}', "[]", ""]) {
      cluster.script(() => new Response(body));
      expect(code(await hello.connect())).toBe("cluster_bad_answer");
    }
    await cluster.settledOf("backend.terminate", 5);
  });

  test("that a cluster with a template answers with nonsense is taken as accepted", async () => {
    const hello = await setUp();
    await hello.push(1, "latest");
    cluster.script(() => new Response("<html>"));
    const { backendId, baseUrl } = value(await hello.connect());
    expect(baseUrl).toBe(`https://${backendId}.cluster.test`);
  });

  test("gives the cluster's own URL to whoever connects, and remembers it", async () => {
    const hello = await setUp({ template: null });
    await hello.push(1, "latest");
    cluster.script(() => Response.json({ url: "https://b.example.com/x/" }));
    expect(value(await hello.connect({ key: "doc" })).baseUrl).toBe("https://b.example.com/x");
    await evict(hello);
    expect(value(await hello.connect({ key: "doc" }))).toMatchObject({
      spawned: false,
      baseUrl: "https://b.example.com/x",
    });
  });

  test("of an async cluster is not waited for", async () => {
    const hello = await setUp({ ack: "async" });
    await hello.push(1, "latest");
    const { promise, resolve } = Promise.withResolvers<Response>();
    cluster.script(() => promise);
    const { backendId } = value(await hello.connect());
    expect(backendId).toHaveLength(13);
    resolve(Response.json({}));
    await cluster.settled(1);
  });

  test("is acknowledged by a status report when the answer was lost", async () => {
    const hello = await setUp();
    await hello.push(1, "latest");
    cluster.script(() => {
      throw new TypeError("connection closed");
    });
    const { backendId } = value(await hello.connect());
    value(await hello.report(backendId, 1, "loading"));
    await passTime(hello, 1_300);
    await passTime(hello, 5_000);
    expect(cluster.of("backend.spawn")).toHaveLength(1);
  });
});

describe("the terminate webhook", () => {
  test("is repeated until the cluster has it; the end itself is reported by the cluster", async () => {
    const hello = await setUp();
    await hello.push(1, "latest");
    const { backendId } = value(await hello.connect({ key: "doc" }));
    cluster.script(500, 200);
    value(await hello.service().terminate(backendId, false, { actor: { tokenId: "t", tokenName: "t" } }));
    expect(await statusOf(hello, backendId)).toMatchObject({
      status: "terminating",
      termination_reason: "external",
    });
    await cluster.settledOf("backend.terminate", 1);
    await passTime(hello, 1_300);
    await cluster.settledOf("backend.terminate", 2);
    expect(code(await hello.connect({ key: "doc", spawn: null }))).toBe("key_not_held");
    value(await hello.report(backendId, 1, "terminated"));
    expect(value(await hello.connect({ key: "doc" })).spawned).toBe(true);
  });

  test("that is answered with 404 ends the backend", async () => {
    const hello = await setUp();
    await hello.push(1, "latest");
    const { backendId } = value(await hello.connect({ key: "doc" }));
    cluster.script(404);
    value(await hello.service().terminate(backendId, true, { actor: { tokenId: "t", tokenName: "t" } }));
    await vi.waitFor(async () =>
      expect(await statusOf(hello, backendId)).toMatchObject({ status: "terminated" }),
    );
    expect(value(await hello.connect({ key: "doc" })).spawned).toBe(true);
  });

  test("does not overtake a spawn that is still on its way", async () => {
    const hello = await setUp({ ack: "async" });
    await hello.push(1, "latest");
    const { promise, resolve } = Promise.withResolvers<Response>();
    cluster.script(() => promise);
    const { backendId } = value(await hello.connect());
    value(await hello.service().terminate(backendId, true, { actor: { tokenId: "t", tokenName: "t" } }));
    expect(cluster.of("backend.terminate")).toHaveLength(0);
    // Each time that the object woke to find it still held back would be a row written.
    expect(await wakesIn(hello.service())).toBeGreaterThanOrEqual(1_000);
    resolve(Response.json({}));
    await cluster.settledOf("backend.terminate", 1);
  });

  test("becomes a hard one when a soft end does not come, and an unreported hard end is taken as one", async () => {
    const hello = await setUp();
    await hello.push(1, "latest");
    const { backendId } = value(await hello.connect({ key: "doc" }));
    value(await hello.service().terminate(backendId, false, { actor: { tokenId: "t", tokenName: "t" } }));
    await cluster.settledOf("backend.terminate", 1);
    await passTime(hello, 61_000);
    await cluster.settledOf("backend.terminate", 2);
    expect(cluster.of("backend.terminate")[1]?.message.data).toMatchObject({ hard: true });
    await passTime(hello, 31_000);
    await vi.waitFor(async () =>
      expect(await statusOf(hello, backendId)).toMatchObject({
        status: "terminated",
        termination_kind: "hard",
      }),
    );
  });
});

describe("image.pinned", () => {
  test("is sent when a push or a pin moves what an environment resolves to, and only then", async () => {
    const hello = await setUp();
    await hello.push(1, "latest");
    await cluster.settledOf("image.pinned", 1);
    await hello.push(2, "other");
    value(await hello.service().pin("default", { image: "other" }, caller));
    await cluster.settledOf("image.pinned", 2);
    await hello.push(2, "other");
    await hello.push(3, "latest");
    expect(cluster.of("image.pinned").map(({ message }) => message.data)).toMatchObject([
      { environment: "default", revision: 1, image: { digest: digestNumber(1), tag: "latest" } },
      { environment: "default", revision: 2, image: { digest: digestNumber(2), tag: "other" } },
    ]);
  });

  test("never holds a pin up, however the cluster behaves", async () => {
    const hello = await setUp();
    cluster.always(() => new Promise<Response>(() => {}));
    await hello.push(1, "latest");
    const pinned = await hello.service().pin("default", { image: "latest" }, caller);
    expect(pinned.ok).toBe(true);
  });
});

describe("startup timeout", () => {
  test("ends a backend hard that never becomes ready", async () => {
    const hello = await setUp();
    await hello.push(1, "latest");
    const { backendId } = value(await hello.connect());
    value(await hello.report(backendId, 1, "loading"));
    await passTime(hello, 12_000);
    await passTime(hello, 300_000);
    await cluster.settledOf("backend.terminate", 1);
    expect(await statusOf(hello, backendId)).toMatchObject({
      status: "hard-terminating",
      termination_reason: "startuptimeout",
    });
  });
});
