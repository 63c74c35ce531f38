import { runInDurableObject } from "cloudflare:test";
import { expect, vi } from "vitest";
import { recoveryDelayMs } from "../../src/domain/limits.ts";
import { evict, passTime, wakesIn } from "../support/worker/clock.ts";
import { test } from "./support/object-test.ts";
import { setUpPinned, value } from "./support/service.ts";

test.for<[how: string, template: string | null]>([
  ["with a URL template", "https://{backend_id}.cluster.test"],
  ["without one", null],
])("a service wakes 1 s ± 20 %% after a failed spawn at a cluster %s", async ([_, template], { cluster }) => {
  const hello = await setUpPinned({ template });
  cluster.script(500);
  await hello.connect();
  expect(await wakesIn(hello.service())).toBeGreaterThanOrEqual(800);
  expect(await wakesIn(hello.service())).toBeLessThanOrEqual(1_200);
});

test("a service that was evicted still wakes for a redelivery when it sets a later alarm", async ({
  pinned: hello,
  cluster,
}) => {
  const { backendId } = value(await hello.connect({ spawn: { lifetimeLimitSeconds: 86_400 } }));
  const [live] = value(await hello.service().liveBackends());
  cluster.script(500);
  value(await hello.connect());
  await evict(hello.service());
  // Its lifetime is a deadline in a day.
  value(await hello.report(backendId, live?.info.fencingToken ?? 0, "ready"));
  expect(await wakesIn(hello.service())).toBeLessThanOrEqual(1_200);
});

test.for(["remembers", "has forgotten"])(
  "a service that %s an alarm which the platform has dropped delivers a failed spawn after a heartbeat",
  async (what, { pinned: hello, cluster }) => {
    cluster.script(500);
    value(await hello.connect());
    await runInDurableObject(hello.service(), (_, state) => state.storage.deleteAlarm());
    if (what === "has forgotten") await evict(hello.service());
    expect(await passTime(hello.service(), 20_000)).toBe(false);

    value(
      await hello.service().reconcile("main", [], {
        from: null,
        elsewhere: [],
        alive: [],
        watchedFrom: 0,
        unchangedSince: 0,
        fence: "lease",
      }),
    );
    await passTime(hello.service(), 0);
    await cluster.settled(2);
    expect(cluster.of("backend.spawn").length).toBe(2);
  },
);

test("a spawn whose attempt never ends is attempted again, and the outcome of that attempt, when it comes, changes nothing", async ({
  pinned: hello,
  cluster,
}) => {
  const never = Promise.withResolvers<Response>();
  cluster.script(() => never.promise);
  const first = hello.connect();
  await vi.waitFor(() => expect(cluster.of("backend.spawn").length).toBe(1));
  await passTime(hello.service(), recoveryDelayMs);
  await cluster.settled(1);
  expect(cluster.of("backend.spawn").map(({ headers }) => headers["webhook-id"])).toEqual([
    cluster.of("backend.spawn")[0]?.headers["webhook-id"],
    cluster.of("backend.spawn")[0]?.headers["webhook-id"],
  ]);
  never.resolve(new Response(null, { status: 500 }));
  value(await first);
  await passTime(hello.service(), recoveryDelayMs);
  await cluster.quiet();
  expect(cluster.of("backend.spawn").length).toBe(2);
});
