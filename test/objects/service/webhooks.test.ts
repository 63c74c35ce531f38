import { runInDurableObject } from "cloudflare:test";
import { Webhook } from "standardwebhooks";
import { describe, expect, vi } from "vitest";
import { startupSlackMs } from "../../../src/domain/limits.ts";
import { evict, passTime, passTimeRunning, wakesIn } from "../../support/worker/clock.ts";
import { notRunningHere } from "../../support/worker/scripted-cluster.ts";
import { test } from "../support/object-test.ts";
import { pendingWebhooks } from "../support/pending-webhooks.ts";
import { caller, code, digestNumber, type Hello, setUpPinned, value } from "../support/service.ts";

async function statusOf(hello: Hello, backendId: string) {
  const record = value(await hello.shard(backendId).describe(hello.account, "hello", backendId));
  return record.history.at(-1);
}

describe("the spawn webhook", () => {
  test("carries the digest, the pin and the fencing token, signed so that standardwebhooks verifies it", async ({
    hello,
    cluster,
  }) => {
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
      pin: { image: "latest", revision: 2 },
      key: "doc",
      env: { FOO: "bar" },
      limits: { startup_timeout_seconds: 300, max_idle_seconds: 300 },
      secret_token: connection.secretToken,
    });
    const webhook = new Webhook(hello.signingSecret);
    vi.useRealTimers();
    expect(() => webhook.verify(delivery?.body ?? "", delivery?.headers ?? {})).toThrow(/timestamp/i);
  });

  test("is verified by the standardwebhooks package, and not when a byte of it differs", async ({
    cluster,
  }) => {
    vi.useRealTimers();
    const hello = await setUpPinned();
    value(await hello.connect());
    const [delivery] = cluster.of("backend.spawn");
    const webhook = new Webhook(hello.signingSecret);
    expect(webhook.verify(delivery?.body ?? "", delivery?.headers ?? {})).toMatchObject({
      type: "backend.spawn",
    });
    expect(() => webhook.verify(`${delivery?.body} `, delivery?.headers ?? {})).toThrow();
    // It was set by the true clock, and would ring in a later test, whose clock says that all deadlines have passed.
    await runInDurableObject(hello.service(), (_, { storage }) => storage.deleteAlarm());
  });

  test("is repeated with the same id after two 500s and starts nothing twice", async ({
    pinned: hello,
    cluster,
  }) => {
    cluster.script(500, 500, 200);
    const connection = value(await hello.connect({ key: "doc" }));
    expect(connection.status).toBe("scheduled");
    await passTime(hello.service(), 1_300);
    await cluster.settled(2);
    await passTime(hello.service(), 2_600);
    await cluster.settled(3);
    await passTime(hello.service(), 60_000);
    const deliveries = cluster.of("backend.spawn");
    expect(deliveries).toHaveLength(3);
    expect(new Set(deliveries.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    expect(new Set(deliveries.map(({ message }) => JSON.stringify(message.data))).size).toBe(1);
    expect(value(await hello.connect({ key: "doc" }))).toMatchObject({
      spawned: false,
      backendId: connection.backendId,
    });
  });

  test("is repeated after the object was evicted in the middle of its redeliveries", async ({
    pinned: hello,
    cluster,
  }) => {
    cluster.script(503, 200);
    const { backendId } = value(await hello.connect());
    await evict(hello.service());
    await passTime(hello.service(), 1_300);
    await cluster.settled(2);
    expect(cluster.of("backend.spawn").map(({ message }) => message.data)).toMatchObject([
      { backend_id: backendId },
      { backend_id: backendId },
    ]);
  });

  test("is given up after its schedule: the cluster is sent a termination, and the key is held until it has answered that", async ({
    pinned: hello,
    cluster,
  }) => {
    cluster.always(() => new Response("down", { status: 500 }));
    const { backendId } = value(await hello.connect({ key: "doc" }));
    for (const [i, seconds] of [1, 2, 4, 8, 16, 32].entries()) {
      await passTime(hello.service(), seconds * 1_200 + 1);
      await cluster.settledOf("backend.spawn", i + 2);
      const attempts = i === 5 ? undefined : i + 2;
      await vi.waitFor(async () =>
        expect((await pendingWebhooks(hello.service()))[`${backendId}_spawn`]).toBe(attempts),
      );
    }
    expect(await statusOf(hello, backendId)).toMatchObject({
      status: "hard-terminating",
      termination_reason: "startuptimeout",
    });
    await cluster.settledOf("backend.terminate", 1);
    expect(code(await hello.connect({ key: "doc", spawn: null }))).toBe("key_not_held");
    expect(cluster.of("backend.spawn")).toHaveLength(7);
    expect(cluster.of("backend.terminate")[0]?.message.data).toMatchObject({
      backend_id: backendId,
      hard: true,
    });
    await vi.waitFor(async () =>
      expect(await pendingWebhooks(hello.service())).toMatchObject({ [`${backendId}_terminate_hard`]: 1 }),
    );
    cluster.always(notRunningHere);
    await passTime(hello.service(), 1_300);
    await vi.waitFor(async () =>
      expect(await statusOf(hello, backendId)).toMatchObject({
        status: "terminated",
        termination_reason: "startuptimeout",
        last_status: "scheduled",
      }),
    );
    cluster.always(() => Response.json({}));
    expect(value(await hello.connect({ key: "doc" })).spawned).toBe(true);
  });

  test.for([404, 408, 421, 425])(
    "that is answered with %i, as while the agent is away, is sent again",
    async (status, { pinned: hello, cluster }) => {
      cluster.script(status);
      const { backendId } = value(await hello.connect({ key: "doc" }));
      await passTime(hello.service(), 1_300);
      await cluster.settled(2);
      await vi.waitFor(async () =>
        expect(await pendingWebhooks(hello.service())).not.toHaveProperty(`${backendId}_spawn`),
      );
      expect(value(await hello.connect({ key: "doc" }))).toMatchObject({ backendId, spawned: false });
    },
  );

  const begun = "Wed, 21 Oct 2026 07:27:40 GMT";
  test.for([
    ["in seconds", { "retry-after": "20" }],
    ["as a date", { "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", date: begun }],
  ] as const)("waits as long as Retry-After says %s", async ([, headers], { pinned: hello, cluster }) => {
    cluster.script(() => new Response(null, { status: 429, headers }), 200);
    value(await hello.connect());
    await passTime(hello.service(), 5_000);
    expect(cluster.of("backend.spawn")).toHaveLength(1);
    await passTime(hello.service(), 16_000);
    await cluster.settled(2);
    expect(cluster.of("backend.spawn")).toHaveLength(2);
  });

  test.for<[what: string, answer: () => Response, message: string]>([
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
  ])(
    "that is refused with %s ends the backend, and the caller receives why",
    async ([_, answer, message], { pinned: hello, cluster }) => {
      cluster.script(answer);
      const refused = await hello.connect({ key: "doc" });
      expect(code(refused)).toBe("cluster_refused");
      expect(refused.ok ? "" : refused.error.message).toContain(message);
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
    },
  );

  test("that is refused late, after a lost reply, ends the backend there too", async ({
    pinned: hello,
    cluster,
  }) => {
    cluster.script(() => {
      throw new TypeError("connection closed");
    }, 409);
    const { backendId } = value(await hello.connect());
    await passTime(hello.service(), 1_300);
    await cluster.settledOf("backend.terminate", 1);
    expect(cluster.of("backend.terminate")[0]?.message.data).toMatchObject({
      backend_id: backendId,
      hard: true,
    });
  });

  test("that a cluster without a template answers with nonsense ends the backend instead of handing out no URL", async ({
    cluster,
  }) => {
    const hello = await setUpPinned({ template: null });
    for (const body of ["not json", '{"url":"javascript:alert(1)"}', '{"url":7}', "[]", ""]) {
      cluster.script(() => new Response(body));
      expect(code(await hello.connect())).toBe("cluster_bad_answer");
    }
    await cluster.settledOf("backend.terminate", 5);
  });

  test("that a cluster with a template answers with nonsense is taken as accepted", async ({
    pinned: hello,
    cluster,
  }) => {
    cluster.script(() => new Response("<html>"));
    const { backendId, baseUrl } = value(await hello.connect());
    expect(baseUrl).toBe(`https://${backendId}.cluster.test`);
  });

  test("gives the cluster's own URL to whoever connects, and remembers it", async ({ cluster }) => {
    const hello = await setUpPinned({ template: null });
    cluster.script(() => Response.json({ url: "https://b.example.com/x/" }));
    expect(value(await hello.connect({ key: "doc" })).baseUrl).toBe("https://b.example.com/x");
    await evict(hello.service());
    expect(value(await hello.connect({ key: "doc" }))).toMatchObject({
      spawned: false,
      baseUrl: "https://b.example.com/x",
    });
  });

  test("of an async cluster is not waited for", async ({ cluster }) => {
    const hello = await setUpPinned({ ack: "async" });
    const { promise, resolve } = Promise.withResolvers<Response>();
    cluster.script(() => promise);
    const { backendId } = value(await hello.connect());
    expect(backendId).toHaveLength(13);
    resolve(Response.json({}));
    await cluster.settled(1);
  });

  test("is acknowledged by a status report when the answer was lost", async ({ pinned: hello, cluster }) => {
    cluster.script(() => {
      throw new TypeError("connection closed");
    });
    const { backendId } = value(await hello.connect());
    value(await hello.report(backendId, 1, "loading"));
    await passTime(hello.service(), 1_300);
    await passTime(hello.service(), 5_000);
    expect(cluster.of("backend.spawn")).toHaveLength(1);
  });
});

describe("the terminate webhook", () => {
  test("is repeated until the cluster has it; the end itself is reported by the cluster", async ({
    pinned: hello,
    cluster,
  }) => {
    const { backendId } = value(await hello.connect({ key: "doc" }));
    cluster.script(500, 200);
    value(await hello.service().terminate(backendId, false, { actor: { tokenId: "t", tokenName: "t" } }));
    expect(await statusOf(hello, backendId)).toMatchObject({
      status: "terminating",
      termination_reason: "external",
    });
    await cluster.settledOf("backend.terminate", 1);
    await vi.waitFor(async () =>
      expect(await pendingWebhooks(hello.service())).toMatchObject({ [`${backendId}_terminate_soft`]: 1 }),
    );
    await passTime(hello.service(), 1_300);
    await cluster.settledOf("backend.terminate", 2);
    expect(code(await hello.connect({ key: "doc", spawn: null }))).toBe("key_not_held");
    value(await hello.report(backendId, 1, "terminated"));
    expect(value(await hello.connect({ key: "doc" })).spawned).toBe(true);
  });

  test("that is answered with 404 ends the backend", async ({ pinned: hello, cluster }) => {
    const { backendId } = value(await hello.connect({ key: "doc" }));
    cluster.script(notRunningHere);
    value(await hello.service().terminate(backendId, true, { actor: { tokenId: "t", tokenName: "t" } }));
    await vi.waitFor(async () =>
      expect(await statusOf(hello, backendId)).toMatchObject({ status: "terminated" }),
    );
    expect(value(await hello.connect({ key: "doc" })).spawned).toBe(true);
  });

  test("that is answered with the 404 of what stands before the agent is sent again, and frees no key", async ({
    pinned: hello,
    cluster,
  }) => {
    const { backendId } = value(await hello.connect({ key: "doc" }));
    cluster.script(() => new Response("default backend - 404", { status: 404 }), notRunningHere);
    value(await hello.service().terminate(backendId, true, { actor: { tokenId: "t", tokenName: "t" } }));
    await vi.waitFor(async () =>
      expect(await pendingWebhooks(hello.service())).toMatchObject({ [`${backendId}_terminate_hard`]: 1 }),
    );
    expect(code(await hello.connect({ key: "doc", spawn: null }))).toBe("key_not_held");
    expect(await statusOf(hello, backendId)).toMatchObject({ status: "hard-terminating" });
    await passTime(hello.service(), 1_300);
    await vi.waitFor(async () =>
      expect(await statusOf(hello, backendId)).toMatchObject({ status: "terminated" }),
    );
  });

  test("does not overtake a spawn that is still on its way", async ({ cluster }) => {
    const hello = await setUpPinned({ ack: "async" });
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

  test("becomes a hard one when a soft end does not come, and an unreported hard end is taken as one", async ({
    pinned: hello,
    cluster,
  }) => {
    const { backendId } = value(await hello.connect({ key: "doc" }));
    value(await hello.service().terminate(backendId, false, { actor: { tokenId: "t", tokenName: "t" } }));
    await cluster.settledOf("backend.terminate", 1);
    await vi.waitFor(async () => expect(await pendingWebhooks(hello.service())).toEqual({}));
    await passTime(hello.service(), 61_000);
    await cluster.settledOf("backend.terminate", 2);
    expect(cluster.of("backend.terminate")[1]?.message.data).toMatchObject({ hard: true });
    await vi.waitFor(async () => expect(await pendingWebhooks(hello.service())).toEqual({}));
    await passTime(hello.service(), 31_000);
    await vi.waitFor(async () =>
      expect(await statusOf(hello, backendId)).toMatchObject({
        status: "terminated",
        termination_kind: "hard",
      }),
    );
  });
});

describe("image.pinned", () => {
  test("is sent when a push or a pin moves what an environment resolves to, and only then", async ({
    pinned: hello,
    cluster,
  }) => {
    await cluster.settledOf("image.pinned", 1);
    await hello.push(2, "other");
    value(await hello.service().pin("default", { image: "other" }, caller));
    await cluster.settledOf("image.pinned", 2);
    await hello.push(2, "other");
    await hello.push(3, "latest");
    expect(cluster.of("image.pinned").map(({ message }) => message.data)).toMatchObject([
      { environment: "default", revision: 2, image: { digest: digestNumber(1), tag: "latest" } },
      { environment: "default", revision: 3, image: { digest: digestNumber(2), tag: "other" } },
    ]);
  });

  test("never holds a pin up, however the cluster behaves", async ({ hello, cluster }) => {
    cluster.always(() => new Promise<Response>(() => {}));
    await hello.push(1, "latest");
    const pinned = await hello.service().pin("default", { image: "latest" }, caller);
    expect(pinned.ok).toBe(true);
  });
});

describe("startup timeout", () => {
  test("waits for a report, which may be late, that the backend was ready in time", async ({
    pinned: hello,
    cluster,
  }) => {
    const { backendId } = value(await hello.connect());
    value(await hello.report(backendId, 1, "loading"));
    await passTimeRunning(hello.service(), 300_000 + startupSlackMs - 1);
    value(await hello.report(backendId, 1, "ready"));
    await passTimeRunning(hello.service(), startupSlackMs);
    expect(cluster.of("backend.terminate")).toEqual([]);
    expect(await statusOf(hello, backendId)).toMatchObject({ status: "ready" });
  });

  test("ends a backend hard that never becomes ready", async ({ pinned: hello, cluster }) => {
    const { backendId } = value(await hello.connect());
    value(await hello.report(backendId, 1, "loading"));
    await passTime(hello.service(), 12_000);
    await passTime(hello.service(), 288_000 + startupSlackMs);
    await cluster.settledOf("backend.terminate", 1);
    expect(await statusOf(hello, backendId)).toMatchObject({
      status: "hard-terminating",
      termination_reason: "startuptimeout",
    });
  });
});
