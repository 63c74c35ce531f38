import { runInDurableObject } from "cloudflare:test";
import { describe, expect, vi } from "vitest";
import { idempotencyKeptMs, recoveryDelayMs } from "../../../src/domain/limits.ts";
import type { Idempotency } from "../../../src/objects/contract.ts";
import { hashSecret } from "../../../src/protocol/tokens/access-token.ts";
import { evict, passTimeAndSettle } from "../../support/worker/clock.ts";
import { test } from "../support/object-test.ts";
import {
  actor,
  caller,
  code,
  connectParams,
  digestNumber,
  type Hello,
  setUpPinned,
  value,
} from "../support/service.ts";

const once: Idempotency = { principal: actor.tokenId, key: "retry-1", requestHash: "a" };
const otherBody: Idempotency = { ...once, requestHash: "b" };
const ofAnother: Idempotency = { ...once, principal: "another00000" };

function connect(hello: Hello, idempotency: Idempotency, key?: string) {
  const params = connectParams(key === undefined ? {} : { key });
  return hello.service().connectBackend(params, { ...caller, idempotency });
}

async function idsOfLive(hello: Hello): Promise<string[]> {
  return value(await hello.service().liveBackends()).map(({ info }) => info.id);
}

function recordsOf(hello: Hello): Promise<unknown[]> {
  return runInDurableObject(hello.service(), (_, { storage }) =>
    storage.sql.exec("SELECT key FROM idempotency").toArray(),
  );
}

describe("a connect that is sent again", () => {
  test("is answered as the first time and starts nothing, whatever has happened since", async ({
    pinned: hello,
    cluster,
  }) => {
    const first = value(await connect(hello, once));
    const [live] = value(await hello.service().liveBackends());
    value(await hello.report(first.backendId, live?.info.fencingToken ?? 0, "terminated"));
    await evict(hello.service());
    vi.setSystemTime(Date.now() + 60_000);
    expect(value(await connect(hello, once))).toEqual(first);
    expect(cluster.of("backend.spawn")).toHaveLength(1);
    expect(await idsOfLive(hello)).toEqual([]);
  });

  test("with another body is idempotency_mismatch and starts nothing", async ({ pinned: hello }) => {
    const { backendId } = value(await connect(hello, once));
    expect(code(await connect(hello, otherBody))).toBe("idempotency_mismatch");
    expect(await idsOfLive(hello)).toEqual([backendId]);
    expect(value(await connect(hello, { ...otherBody, key: "retry-2" })).backendId).not.toBe(backendId);
  });

  test("while the first is still running is idempotency_in_progress, and the first's answer after it", async ({
    pinned: hello,
    cluster,
  }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    cluster.script(() => promise.then(() => Response.json({})));
    const running = connect(hello, once);
    await vi.waitFor(() => expect(cluster.of("backend.spawn")).toHaveLength(1));
    const early = await connect(hello, once);
    expect(early.ok ? null : early.error).toMatchObject({
      code: "idempotency_in_progress",
      retryAfterSeconds: 1,
    });
    expect(code(await connect(hello, otherBody))).toBe("idempotency_mismatch");
    resolve();
    const first = value(await running);
    expect(value(await connect(hello, once))).toEqual(first);
    expect(cluster.of("backend.spawn")).toHaveLength(1);
  });

  test("after the object went down in the middle of the first finds the backend that was decided", async ({
    pinned: hello,
  }) => {
    const { backendId } = value(await connect(hello, once));
    // What a crash leaves that comes after the decision and before the cluster's answer.
    await runInDurableObject(hello.service(), (_, { storage }) => {
      storage.sql.exec("UPDATE idempotency SET result = NULL");
    });
    await evict(hello.service());
    const again = value(await connect(hello, once));
    expect(again).toMatchObject({ backendId, baseUrl: `https://${backendId}.cluster.test` });
    expect(await idsOfLive(hello)).toEqual([backendId]);
  });

  test("after the object went down and the backend has ended says so, and starts no other", async ({
    pinned: hello,
  }) => {
    const { backendId } = value(await connect(hello, once));
    await runInDurableObject(hello.service(), (_, { storage }) => {
      storage.sql.exec("UPDATE idempotency SET result = NULL");
    });
    const [live] = value(await hello.service().liveBackends());
    value(await hello.report(backendId, live?.info.fencingToken ?? 0, "terminated"));
    await evict(hello.service());
    const again = await connect(hello, once);
    expect(again.ok ? null : again.error).toMatchObject({
      code: "cluster_unavailable",
      details: { backend_id: backendId },
    });
    expect(await idsOfLive(hello)).toEqual([]);
  });

  test("is decided anew after a failure that started nothing", async ({ hello }) => {
    expect(code(await connect(hello, once))).toBe("image_not_found");
    await hello.push(1, "latest");
    expect(value(await connect(hello, once)).spawned).toBe(true);
  });

  test("gets the cluster's refusal again, without another webhook", async ({ pinned: hello, cluster }) => {
    cluster.script(409);
    const first = await connect(hello, once);
    expect(code(first)).toBe("cluster_refused");
    expect(await connect(hello, once)).toEqual(first);
    expect(cluster.of("backend.spawn")).toHaveLength(1);
  });

  test("gets the URL that the cluster sent only after the first answer had failed", async ({ cluster }) => {
    const hello = await setUpPinned({ template: null });
    cluster.script(500);
    const first = await connect(hello, once);
    const id = String(first.ok ? "" : first.error.details?.backend_id);
    expect(code(first)).toBe("cluster_unavailable");
    const [live] = value(await hello.service().liveBackends());
    const shard = hello.shard(id);
    const report = { status: "ready", fencing_token: live?.info.fencingToken ?? 0 } as const;
    const url = "https://b.example.com";
    value(await shard.report(hello.account, "hello", "main", id, { ...report, url }));
    expect(value(await connect(hello, once))).toMatchObject({ backendId: id, baseUrl: url });
    expect(await idsOfLive(hello)).toEqual([id]);
  });

  test("24 h later is a new request, and the object's alarm deletes what is kept of the old ones", async ({
    pinned: hello,
  }) => {
    const first = value(await connect(hello, once));
    value(await connect(hello, { ...once, key: "retry-2" }));
    vi.setSystemTime(Date.now() + idempotencyKeptMs - 1);
    expect(value(await connect(hello, once)).backendId).toBe(first.backendId);
    vi.setSystemTime(Date.now() + 1);
    expect(value(await connect(hello, otherBody)).backendId).not.toBe(first.backendId);
    // The first request's record has become the new one's.
    expect(code(await connect(hello, once))).toBe("idempotency_mismatch");
    await passTimeAndSettle(hello.service(), recoveryDelayMs);
    expect(await recordsOf(hello)).toEqual([{ key: `${actor.tokenId},retry-1` }]);
  });

  test("many times at once starts one backend", async ({ pinned: hello }) => {
    const all = await Promise.all(Array.from({ length: 10 }, () => connect(hello, once)));
    const answers = new Set(all.map((result) => (result.ok ? result.value.backendId : result.error.code)));
    expect(await idsOfLive(hello)).toHaveLength(1);
    for (const answer of answers)
      expect([...(await idsOfLive(hello)), "idempotency_in_progress"]).toContain(answer);
  });
});

describe("a connect with the key that a caller with another token has used", () => {
  test("is a request of its own, whatever its body", async ({ pinned: hello }) => {
    const { backendId } = value(await connect(hello, once));
    const others = value(await connect(hello, ofAnother));
    expect(others.backendId).not.toBe(backendId);
    expect(value(await connect(hello, once)).backendId).toBe(backendId);
    expect(value(await connect(hello, { ...otherBody, principal: "third0000000" })).spawned).toBe(true);
  });

  test("is a request of its own while the first is running", async ({ pinned: hello, cluster }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    cluster.script(() => promise.then(() => Response.json({})));
    const running = connect(hello, once);
    await vi.waitFor(() => expect(cluster.of("backend.spawn")).toHaveLength(1));
    expect(value(await connect(hello, ofAnother)).spawned).toBe(true);
    resolve();
    value(await running);
  });
});

describe("a replay", () => {
  const narrowedTo = (...environments: string[]) => ({ actor: { ...actor, environments } });

  test("of a connect needs the right to the environment that it was answered for", async ({
    pinned: hello,
  }) => {
    const withKey = (more: object) =>
      hello.service().connectBackend(connectParams(), { ...caller, idempotency: once, ...more });
    const first = value(await withKey({}));
    expect(code(await withKey(narrowedTo("staging")))).toBe("forbidden");
    expect(value(await withKey(narrowedTo("staging", first.environment)))).toEqual(first);
    // What a crash leaves that comes after the decision and before the cluster's answer.
    await runInDurableObject(hello.service(), (_, { storage }) => {
      storage.sql.exec("UPDATE idempotency SET result = NULL");
    });
    expect(code(await withKey(narrowedTo("staging")))).toBe("forbidden");
    expect(value(await withKey({})).backendId).toBe(first.backendId);
  });

  test("of a refusal needs it too", async ({ pinned: hello, cluster }) => {
    cluster.script(409);
    expect(code(await connect(hello, once))).toBe("cluster_refused");
    const narrowed = { ...caller, idempotency: once, ...narrowedTo("staging") };
    expect(code(await hello.service().connectBackend(connectParams(), narrowed))).toBe("forbidden");
  });

  test("of a record without a principal, which a former version kept, is refused and acts no second time", async ({
    pinned: hello,
  }) => {
    const { backendId } = value(await connect(hello, once));
    await runInDurableObject(hello.service(), (_, { storage }) => {
      storage.sql.exec("UPDATE idempotency SET key = ?", once.key);
    });
    expect(code(await connect(hello, once))).toBe("idempotency_mismatch");
    expect(code(await connect(hello, ofAnother))).toBe("idempotency_mismatch");
    expect(await idsOfLive(hello)).toEqual([backendId]);
    vi.setSystemTime(Date.now() + idempotencyKeptMs);
    expect(value(await connect(hello, once)).backendId).not.toBe(backendId);
  });
});

describe("a creation that is sent again", () => {
  const creations: [string, (hello: Hello, idempotency: Idempotency) => Promise<unknown>][] = [
    [
      "of a token",
      async (hello, idempotency) =>
        hello.accountObject.createToken(
          { name: "ci", role: "deploy" },
          { id: crypto.randomUUID().slice(0, 12), secretHash: await hashSecret("x") },
          { ...caller, idempotency },
        ),
    ],
    [
      "of a cluster",
      async (hello, idempotency) =>
        hello.accountObject.createCluster(
          { name: "second", webhook_url: "https://cluster.test/hook" },
          { id: "agentsecond0", secretHash: await hashSecret("x") },
          hello.signingSecret,
          { ...caller, idempotency },
        ),
    ],
    [
      "of a service",
      (hello, idempotency) => hello.accountObject.createService({ name: "new" }, { ...caller, idempotency }),
    ],
    [
      "of an environment",
      (hello, idempotency) =>
        hello.service().createEnvironment({ name: "prod", image: "latest" }, { ...caller, idempotency }),
    ],
    [
      "of an image",
      (hello, idempotency) =>
        hello.service().recordImage({ digest: digestNumber(1), tag: "v1" }, { ...caller, idempotency }),
    ],
  ];

  test.for(creations)(
    "%s is answered as the first time, and refused with another body",
    async ([_, create], { hello }) => {
      const first = await create(hello, once);
      expect(first).toMatchObject({ ok: true });
      vi.setSystemTime(Date.now() + 60_000);
      expect(await create(hello, once)).toEqual(first);
      expect(await create(hello, otherBody)).toMatchObject({
        ok: false,
        error: { code: "idempotency_mismatch" },
      });
      expect(value(await hello.accountObject.listTokens({ limit: 50 })).items.length).toBeLessThanOrEqual(3);
      expect(value(await hello.service().recentImages(caller)).length).toBeLessThanOrEqual(1);
    },
  );

  test("succeeds after a failure, which is not kept", async ({ hello }) => {
    const create = () =>
      hello.service().createEnvironment({ name: "prod", image: "v1" }, { ...caller, idempotency: once });
    expect(code(await create())).toBe("image_not_found");
    await hello.push(1, "v1");
    expect(value(await create()).digest).toBe(digestNumber(1));
  });

  test("while the first creation of a service is still running is idempotency_in_progress", async ({
    hello,
  }) => {
    const [first, second] = await Promise.all([
      hello.accountObject.createService({ name: "new" }, { ...caller, idempotency: once }),
      hello.accountObject.createService({ name: "new" }, { ...caller, idempotency: once }),
    ]);
    expect(value(first).name).toBe("new");
    expect(code(second)).toBe("idempotency_in_progress");
    expect(
      value(await hello.accountObject.createService({ name: "new" }, { ...caller, idempotency: once })),
    ).toEqual(value(first));
  });
});
