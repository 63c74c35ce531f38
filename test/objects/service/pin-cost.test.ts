import { describe, expect, vi } from "vitest";
import type { ScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { metered } from "../support/cost.ts";
import { Cuts } from "../support/cuts.ts";
import { test } from "../support/object-test.ts";
import { caller, type Hello, setUpPinned, value } from "../support/service.ts";

const many = 100;
const soon = { timeout: 10_000, interval: 5 };

/** A service that has come to rest, with two images and whatever is prepared. */
async function atRest(
  cluster: ScriptedCluster,
  prepare: (hello: Hello) => Promise<unknown> = async () => {},
) {
  const hello = await setUpPinned();
  for (const n of [2, 3]) await hello.push(n, `v${n}`);
  await prepare(hello);
  await cluster.settledOf("image.pinned", 1);
  const meter = await metered(hello.service());
  await meter.letPass(299_000, () => cluster.quiet());
  const before = cluster.of("image.pinned").length;
  const announced = () => cluster.of("image.pinned").slice(before);
  const calls = new Cuts();
  return {
    hello,
    announced,
    /** What something costs until nothing is left to do: in the Service object, and in calls between objects. */
    costOf: async (act: () => Promise<unknown>, isDone: () => boolean) => {
      meter.reset();
      calls.arm(null);
      try {
        await act();
        await vi.waitFor(async () => {
          await cluster.quiet();
          expect(isDone()).toBe(true);
        }, soon);
        const { statements } = meter.cost;
        await meter.letPass(25_000, () => cluster.quiet());
        const called = Object.groupBy(calls.calls, (call) => call);
        const counts = Object.entries(called).map(([call, all]) => [call, all?.length ?? 0] as const);
        const { setAlarm = 0, ...rows } = meter.cost.rows;
        return {
          rows,
          setAlarm,
          read: meter.cost.read,
          /** Before any alarm. */
          statements,
          calls: Object.fromEntries(counts),
        };
      } finally {
        calls.restore();
      }
    },
  };
}

const pinTo = async (hello: Hello, image: string) =>
  value(await hello.service().pin("default", { image }, caller));

describe("the cost of", () => {
  test("one pin is what is to be remembered, and one row for its announcement", async ({ cluster }) => {
    const { hello, announced, costOf } = await atRest(cluster);
    const cost = await costOf(
      () => pinTo(hello, "v2"),
      () => announced().length === 1,
    );
    expect(cost.rows).toEqual({
      "UPDATE environments SET": 1,
      // With what it protects, and the index of that.
      "INSERT INTO revisions": 3,
      "INSERT INTO event_outbox": 1,
      "DELETE FROM event_outbox": 1,
      "UPDATE service SET": 1,
    });
    expect(cost.setAlarm).toBeLessThanOrEqual(2);
    expect(cost.calls).toMatchObject({ "Service.pin": 1, "Account.recordEvents": 1, webhook: 1 });
    expect(cost.statements).toBeLessThanOrEqual(7);
  });

  test("a pin among many is three statements and a share of what is done for all", async ({ cluster }) => {
    const { hello, announced, costOf } = await atRest(cluster);
    const cost = await costOf(
      () => Promise.all(Array.from({ length: many }, (_, n) => pinTo(hello, `v${2 + (n % 2)}`))),
      () =>
        announced().some(
          ({ message }) => message.type === "image.pinned" && message.data.revision === 2 + many,
        ),
    );
    const { "UPDATE service SET": announcements = 0, ...rows } = cost.rows;
    expect(rows).toEqual({
      "UPDATE environments SET": many,
      // And one for the image that it comes from, which is protected no more.
      "INSERT INTO revisions": 2 * many + 2,
      "INSERT INTO event_outbox": many,
      "DELETE FROM event_outbox": many,
    });
    expect(announcements).toBeLessThanOrEqual(2);
    expect(cost.setAlarm).toBeLessThanOrEqual(4);
    // One that is sent at once, and the others together: more where this machine takes its time.
    expect(cost.calls["Account.recordEvents"]).toBeLessThan(many / 5);
    expect(cost.calls.webhook).toBeLessThan(many / 5);
    expect(cost.statements).toBeLessThan(4 * many);
  });

  test(`a push that moves ${many} environments has no row of any announcement`, async ({ cluster }) => {
    const { hello, announced, costOf } = await atRest(cluster, async ({ service }) => {
      for (let n = 1; n < many; n++) {
        value(await service().createEnvironment({ name: `e${n}`, image: "latest" }, caller));
      }
    });
    const cost = await costOf(
      () => hello.push(2, "latest"),
      () => announced().length === many,
    );
    const { "UPDATE environments SET": moved, "INSERT INTO revisions": recorded } = cost.rows;
    expect({ moved, recorded }).toEqual({ moved: many, recorded: 3 * many });
    expect(cost.rows["INSERT INTO event_outbox"]).toBe(many + 1);
    expect(cost.rows["INSERT INTO deliveries"]).toBeUndefined();
    expect(cost.rows["UPDATE service SET"]).toBeLessThanOrEqual(3);
    expect(cost.calls["Account.recordEvents"]).toBeLessThanOrEqual(3);
    expect(cost.calls.webhook).toBe(many);
    expect(new Set(announced().map(({ headers }) => headers["webhook-id"])).size).toBe(many);
  });
});
