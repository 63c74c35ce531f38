import { describe, expect, vi } from "vitest";
import { evict, passTime } from "../../support/worker/clock.ts";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { test } from "../support/object-test.ts";
import { setUpPinned, value } from "../support/service.ts";

/** A backend with a key whose cluster was sent the spawn once and gave no good answer. */
async function spawnedInVain(cluster: ScriptedCluster) {
  const hello = await setUpPinned();
  cluster.script(500);
  const { backendId } = value(await hello.connect({ key: "doc" }));
  const [live] = value(await hello.service().liveBackends());
  return {
    hello,
    report: async () => value(await hello.report(backendId, live?.info.fencingToken ?? 0, "loading")),
    /** Lets all that redeliveries have pass, and a cluster that is away refuse each. */
    async exhaust() {
      cluster.always(() => new Response("down", { status: 500 }));
      for (const seconds of [2, 4, 8, 16, 32, 64]) {
        await passTime(hello.service(), seconds * 1_200 + 1);
        await cluster.quiet();
      }
    },
    holder: async () => value(await hello.connect({ key: "doc" })),
    backendId,
  };
}

describe("a spawn that had to be repeated, and whose cluster then shows that it has it", () => {
  test("is not given up by an object that was evicted since", async ({ cluster }) => {
    const { hello, report, exhaust, holder, backendId } = await spawnedInVain(cluster);
    await report();
    await evict(hello.service());
    await exhaust();
    expect(cluster.of("backend.spawn")).toHaveLength(1);
    expect(await holder()).toMatchObject({ backendId, spawned: false });
  });

  test("by an answer, is not given up by an object that was evicted since", async ({ cluster }) => {
    const { hello, exhaust, holder, backendId } = await spawnedInVain(cluster);
    await passTime(hello.service(), 1_300);
    await cluster.settled(2);
    await evict(hello.service());
    await exhaust();
    expect(cluster.of("backend.spawn")).toHaveLength(2);
    expect(await holder()).toMatchObject({ backendId, spawned: false });
  });

  test("is not repeated where the answer to an attempt is lost after that", async ({ cluster }) => {
    const { hello, report, exhaust, holder, backendId } = await spawnedInVain(cluster);
    const { promise, resolve } = Promise.withResolvers<void>();
    cluster.script(() => promise.then(() => new Response("broken off", { status: 500 })));
    await passTime(hello.service(), 1_300);
    await vi.waitFor(() => expect(cluster.of("backend.spawn")).toHaveLength(2));
    await report();
    resolve();
    await cluster.settled(2);
    await exhaust();
    expect(cluster.of("backend.spawn")).toHaveLength(2);
    expect(await holder()).toMatchObject({ backendId, spawned: false });
  });
});
