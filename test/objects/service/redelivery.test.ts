import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { attemptsFlushedWithinMs } from "../../../src/domain/limits.ts";
import { clusterStub } from "../../../src/objects/stubs.ts";
import { passTime } from "../../support/worker/clock.ts";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { notEnded } from "../support/agent.ts";
import { test } from "../support/object-test.ts";
import { caller, code, digestNumber, type Hello, setUpPinned, value } from "../support/service.ts";

const down = () => new Response("down", { status: 500 });

function deliveries(hello: Hello) {
  const log = () => clusterStub(env, hello.account, "main");
  const list = async () => value(await log().listDeliveries(hello.account, "main", { limit: 200 })).items;
  return {
    list,
    redeliver: (id: string) => log().redeliver(hello.account, "main", id),
    /** The ids of a type's webhooks, newest first, once the log has so many. */
    logged: (type: string, count = 1) =>
      vi.waitFor(async () => {
        await passTime(hello.service(), attemptsFlushedWithinMs);
        const ids = (await list()).filter((one) => one.type === type).map(({ id }) => id);
        expect(ids).toHaveLength(count);
        return ids;
      }),
    attemptsOf: async (id: string) =>
      (await list()).find((one) => one.id === id)?.attempts.map(({ attempt, status }) => [attempt, status]),
  };
}

async function ready(cluster: ScriptedCluster, options: Parameters<typeof setUpPinned>[0] = {}) {
  const hello = await setUpPinned(options);
  await cluster.settledOf("image.pinned", 1);
  return { hello, ...deliveries(hello) };
}

/** A backend whose spawn was acknowledged, and is in the log. */
async function acknowledged(cluster: ScriptedCluster) {
  const system = await ready(cluster);
  const { backendId } = value(await system.hello.connect({ key: "doc" }));
  await system.logged("backend.spawn");
  return { ...system, backendId, id: `${backendId}_spawn` };
}

const webhookIds = (cluster: ScriptedCluster, type: Parameters<ScriptedCluster["of"]>[0]) =>
  cluster.of(type).map(({ headers }) => headers["webhook-id"]);

describe("a spawn that was acknowledged, sent again", () => {
  test("carries the same id and data, and is recorded with the next number", async ({ cluster }) => {
    const { redeliver, attemptsOf, id } = await acknowledged(cluster);
    const answer = value(await redeliver(id));
    expect(answer).toMatchObject({ attempt: 2, status: 200, error: null });
    expect(value(await redeliver(id)).attempt).toBe(3);
    expect(webhookIds(cluster, "backend.spawn")).toEqual([id, id, id]);
    expect(new Set(cluster.of("backend.spawn").map(({ message }) => JSON.stringify(message.data))).size).toBe(
      1,
    );
    expect(await attemptsOf(id)).toEqual([
      [1, 200],
      [2, 200],
      [3, 200],
    ]);
  });

  test.for([409, 500])(
    "and answered with %i leaves its backend as it was, and is not repeated",
    async (status, { cluster }) => {
      const { hello, redeliver, list, backendId, id } = await acknowledged(cluster);
      cluster.script(status);
      expect(value(await redeliver(id))).toMatchObject({ status, error: expect.any(String) });
      await passTime(hello.service(), 60_000);
      await cluster.quiet();
      expect(cluster.of("backend.spawn")).toHaveLength(2);
      expect(cluster.of("backend.terminate")).toHaveLength(0);
      expect(value(await hello.connect({ key: "doc" }))).toMatchObject({ backendId, spawned: false });
      expect((await list()).find((one) => one.id === id)?.outcome).toBe("delivered");
    },
  );

  test("twice at once is one attempt, which both receive", async ({ cluster }) => {
    const { redeliver, id } = await acknowledged(cluster);
    const { promise, resolve } = Promise.withResolvers<void>();
    cluster.script(() => promise.then(() => Response.json({})));
    const both = [redeliver(id), redeliver(id)];
    await vi.waitFor(() => expect(cluster.of("backend.spawn")).toHaveLength(2));
    resolve();
    const [first, second] = await Promise.all(both);
    expect(first?.ok && first.value).toEqual(second?.ok && second.value);
    expect(cluster.of("backend.spawn")).toHaveLength(2);
  });

  test("is not overtaken by a termination that is requested meanwhile", async ({ cluster }) => {
    const { hello, redeliver, backendId, id } = await acknowledged(cluster);
    const { promise, resolve } = Promise.withResolvers<void>();
    cluster.script(() => promise.then(() => Response.json({})));
    const again = redeliver(id);
    await vi.waitFor(() => expect(cluster.of("backend.spawn")).toHaveLength(2));
    value(await hello.service().terminate(backendId, true, caller));
    expect(cluster.of("backend.terminate")).toHaveLength(0);
    resolve();
    value(await again);
    await cluster.settledOf("backend.terminate", 1);
  });

  test("is refused once its backend is ending, and after its end", async ({ cluster }) => {
    const { hello, redeliver, backendId, id } = await acknowledged(cluster);
    value(await hello.service().terminate(backendId, false, caller));
    expect(code(await redeliver(id))).toBe("delivery_over");
    value(await hello.report(backendId, 1, "terminated"));
    const refused = await redeliver(id);
    expect(refused.ok ? "" : refused.error).toMatchObject({
      code: "delivery_over",
      message: expect.stringContaining("ended"),
    });
    expect(cluster.of("backend.spawn")).toHaveLength(1);
  });
});

describe("a spawn that is still to be delivered, sent again", () => {
  test("is the next attempt of its schedule, before its time", async ({ cluster }) => {
    const { hello, redeliver, logged } = await ready(cluster);
    cluster.always(down);
    const { backendId } = value(await hello.connect({ key: "doc" }));
    const [id = ""] = await logged("backend.spawn");
    await cluster.quiet();
    const before = cluster.of("backend.spawn").length;
    cluster.always(() => Response.json({}));
    expect(value(await redeliver(id))).toMatchObject({ attempt: before + 1, status: 200 });
    await passTime(hello.service(), 60_000);
    expect(cluster.of("backend.spawn")).toHaveLength(before + 1);
    expect(await notEnded(hello)).toEqual([backendId]);
  });

  test("joins the attempt that is under way", async ({ cluster }) => {
    const { hello, redeliver, logged } = await ready(cluster);
    cluster.script(500);
    value(await hello.connect());
    const { promise, resolve } = Promise.withResolvers<void>();
    cluster.script(() => promise.then(() => Response.json({})));
    const [id = ""] = await logged("backend.spawn");
    await vi.waitFor(() => expect(cluster.of("backend.spawn")).toHaveLength(2));
    const again = redeliver(id);
    resolve();
    expect(value(await again)).toMatchObject({ attempt: 2, status: 200 });
    expect(cluster.of("backend.spawn")).toHaveLength(2);
  });

  test("and refused ends its backend as any other attempt would", async ({ cluster }) => {
    const { hello, redeliver, logged } = await ready(cluster);
    cluster.script(500);
    value(await hello.connect());
    cluster.always(down);
    const [id = ""] = await logged("backend.spawn");
    await cluster.quiet();
    cluster.always(() => new Response(null, { status: 409 }));
    expect(value(await redeliver(id))).toMatchObject({ status: 409 });
    await vi.waitFor(async () => expect(await notEnded(hello)).toEqual([]));
    expect(code(await redeliver(id))).toBe("delivery_over");
  });
});

test("a spawn that was acknowledged without a URL learns it from the answer to its repetition", async ({
  cluster,
}) => {
  const { hello, redeliver, logged } = await ready(cluster, { template: null });
  cluster.script(() => {
    throw new TypeError("connection closed");
  });
  const refused = await hello.connect({ key: "doc" });
  const backendId = String(refused.ok ? "" : refused.error.details?.backend_id);
  value(await hello.service().learn(backendId, true));
  const [id = ""] = await logged("backend.spawn");
  cluster.script(() => Response.json({ url: "https://b.example.com" }));
  value(await redeliver(id));
  expect(value(await hello.connect({ key: "doc" })).baseUrl).toBe("https://b.example.com");
});

describe("a termination sent again", () => {
  async function terminating(cluster: ScriptedCluster, ...answers: (number | (() => Response))[]) {
    const system = await ready(cluster);
    const { backendId } = value(await system.hello.connect());
    cluster.script(...answers);
    value(await system.hello.service().terminate(backendId, false, caller));
    await cluster.settledOf("backend.terminate", 1);
    return { ...system, backendId, id: `${backendId}_terminate_soft` };
  }

  test("while it is still to be delivered, is attempted now instead of later", async ({ cluster }) => {
    const { hello, redeliver, logged, id } = await terminating(cluster, () => {
      return new Response(null, { status: 503, headers: { "retry-after": "300" } });
    });
    await logged("backend.terminate");
    expect(cluster.of("backend.terminate")).toHaveLength(1);
    expect(value(await redeliver(id))).toMatchObject({ attempt: 2, status: 200 });
    expect(webhookIds(cluster, "backend.terminate")).toEqual([id, id]);
    await passTime(hello.service(), 1_000);
    expect(cluster.of("backend.terminate")).toHaveLength(2);
  });

  test("after it was delivered, is delivered anew until its backend has ended", async ({ cluster }) => {
    const { hello, redeliver, logged, backendId, id } = await terminating(cluster);
    await logged("backend.terminate");
    expect(value(await redeliver(id))).toMatchObject({ attempt: 2, status: 200 });
    const [first, again] = cluster.of("backend.terminate").map(({ message }) => message.data);
    expect(again).toEqual(first);
    value(await hello.report(backendId, 1, "terminated"));
    expect(code(await redeliver(id))).toBe("delivery_over");
  });

  test("joins the attempt that is under way", async ({ cluster }) => {
    const { hello, redeliver, logged, id } = await terminating(cluster, 500);
    const { promise, resolve } = Promise.withResolvers<void>();
    cluster.script(() => promise.then(() => Response.json({})));
    await logged("backend.terminate");
    await vi.waitFor(() => expect(cluster.of("backend.terminate")).toHaveLength(2));
    const again = redeliver(id);
    await vi.waitFor(async () => expect(await notEnded(hello)).toHaveLength(1));
    resolve();
    expect(value(await again)).toMatchObject({ attempt: 2, status: 200 });
    expect(cluster.of("backend.terminate")).toHaveLength(2);
  });
});

describe("an image.pinned sent again", () => {
  test("carries the same id and data while the environment's pin is that one", async ({ cluster }) => {
    const { redeliver, logged } = await ready(cluster);
    const [id = ""] = await logged("image.pinned");
    expect(value(await redeliver(id))).toMatchObject({ attempt: 2, status: 200 });
    expect(webhookIds(cluster, "image.pinned")).toEqual([id, id]);
    const [first, again] = cluster.of("image.pinned").map(({ message }) => message.data);
    expect(again).toEqual(first);
  });

  test.for<[when: string, change: (hello: Hello) => Promise<unknown>]>([
    ["another image has the tag", (hello: Hello) => hello.push(2, "latest")],
    [
      "the environment was pinned anew",
      async (hello: Hello) => value(await hello.service().pin("default", { image: digestNumber(1) }, caller)),
    ],
  ])("is refused once %s, and nothing is sent", async ([_, change], { cluster }) => {
    const { hello, redeliver, logged } = await ready(cluster);
    const [id = ""] = await logged("image.pinned");
    await change(hello);
    await cluster.quiet();
    const sent = cluster.of("image.pinned").length;
    expect(code(await redeliver(id))).toBe("delivery_over");
    expect(cluster.of("image.pinned")).toHaveLength(sent);
  });
});

describe("what is no delivery of a service", () => {
  test("is not found where the log has none of the id", async ({ cluster }) => {
    const { redeliver } = await ready(cluster);
    for (const id of ["0000000000000_spawn", "pinned_x", "", "x".repeat(5000)]) {
      expect(code(await redeliver(id))).toBe("delivery_not_found");
    }
  });

  test("is over where it is a ping", async ({ cluster }) => {
    const { hello, redeliver, list } = await ready(cluster);
    value(await hello.accountObject.testCluster("main"));
    const [ping] = await list();
    expect(code(await redeliver(ping?.id ?? ""))).toBe("delivery_over");
    expect(cluster.of("cluster.ping")).toHaveLength(1);
  });
});
