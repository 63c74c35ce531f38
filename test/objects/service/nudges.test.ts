import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { nudgeEveryMs } from "../../../src/domain/limits.ts";
import { Nudges } from "../../../src/objects/service/feed/nudges.ts";
import type { ServiceNudge } from "../../../src/protocol/service-nudge.ts";
import { startScriptedCluster } from "../../support/worker/scripted-cluster.ts";
import { evict, freezeClock } from "../support/clock.ts";
import { followObject } from "../support/follow.ts";
import { caller, setUp, value } from "../support/service.ts";

type Hello = Awaited<ReturnType<typeof setUp>>;

beforeEach(() => {
  freezeClock();
  startScriptedCluster();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const soon = { timeout: 5_000, interval: 5 };
const followNews = (hello: Hello) => followObject<ServiceNudge>(hello.service(), "/follow/news");

describe("a follower of a service", () => {
  test.each<[string, (hello: Hello) => Promise<unknown>, ServiceNudge["changed"]]>([
    ["a spawn", (hello) => hello.connect(), ["backends"]],
    ["a pin", (hello) => hello.service().pin("default", { image: "latest" }, caller), ["environments"]],
    ["a push", (hello) => hello.push(2, "latest"), ["environments", "images"]],
    [
      "another default cluster",
      (hello) => hello.accountObject.patchCluster("main", { ack: "async" }, caller),
      ["environments"],
    ],
    ["its removal", (hello) => hello.service().remove(), ["backends", "environments", "images"]],
  ])("is told once of %s", async (_, change, changed) => {
    const hello = await setUp();
    await hello.push(1, "latest");
    const told = await followNews(hello);
    await change(hello);
    await vi.waitFor(() => expect(told).toEqual([{ changed }]), soon);
  });

  test("is told of a status that the service is told of, and of an end", async () => {
    const hello = await setUp();
    await hello.push(1, "latest");
    const { backendId } = value(await hello.connect());
    for (const status of ["ready", "terminated"] as const) {
      const told = await followNews(hello);
      value(await hello.report(backendId, 1, status));
      await vi.waitFor(() => expect(told).toEqual([{ changed: ["backends"] }]), soon);
    }
  });

  test("is still told after the service was evicted", async () => {
    const hello = await setUp();
    await hello.push(1, "latest");
    const told = await followNews(hello);
    await evict(hello.service());
    value(await hello.connect());
    await vi.waitFor(() => expect(told).toEqual([{ changed: ["backends"] }]), soon);
  });

  test("is refused where the service is removed", async () => {
    const hello = await setUp();
    value(await hello.service().remove());
    expect((await hello.service().fetch("http://object.test/follow/news")).status).toBe(404);
  });
});

describe("nudges", () => {
  /** Nudges by a clock that stands still, with what their followers were sent. */
  function clockedNudges() {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const told: unknown[] = [];
    const followers = {
      followed: true,
      isFollowed: () => followers.followed,
      send: (_: string, messages: readonly unknown[]) => void told.push(...messages),
    };
    return { nudges: new Nudges(followers), told, followers };
  }

  test("tell the first change at once, those within half a second together, and lose none", async () => {
    const { nudges, told } = clockedNudges();
    const backends = { changed: ["backends"] };
    nudges.changed(["backends"]);
    await Promise.resolve();
    expect(told).toEqual([backends]);
    for (let i = 0; i < 100; i++) nudges.changed(["backends"]);
    nudges.changed(["images"]);
    vi.advanceTimersByTime(nudgeEveryMs - 1);
    expect(told).toEqual([backends]);
    vi.advanceTimersByTime(1);
    expect(told).toEqual([backends, { changed: ["backends", "images"] }]);
    vi.advanceTimersByTime(nudgeEveryMs);
    expect(vi.getTimerCount()).toBe(0);
    nudges.changed(["backends"]);
    await Promise.resolve();
    expect(told).toHaveLength(3);
  });

  test("set no timer and keep nothing while nobody follows", async () => {
    const { nudges, told, followers } = clockedNudges();
    followers.followed = false;
    nudges.changed(["backends"]);
    await Promise.resolve();
    expect(vi.getTimerCount()).toBe(0);
    followers.followed = true;
    nudges.changed(["images"]);
    await Promise.resolve();
    expect(told).toEqual([{ changed: ["images"] }]);
    followers.followed = false;
    vi.advanceTimersByTime(nudgeEveryMs);
    expect(vi.getTimerCount()).toBe(0);
  });
});
