import { describe, expect, vi } from "vitest";
import { nudgeEveryMs } from "../../../src/domain/limits.ts";
import { Nudges } from "../../../src/objects/service/feed/nudges.ts";
import type { ServiceNudge } from "../../../src/protocol/service-nudge.ts";
import { evict } from "../../support/worker/clock.ts";
import { followObject } from "../support/follow.ts";
import { test } from "../support/object-test.ts";
import { caller, type Hello, value } from "../support/service.ts";

const soon = { timeout: 5_000, interval: 5 };
const followService = (hello: Hello) => followObject<ServiceNudge>(hello.service(), "/follow/news");

describe("a follower of a service", () => {
  test.for<[string, (hello: Hello) => Promise<unknown>, ServiceNudge["changed"]]>([
    ["a spawn", (hello) => hello.connect(), ["backends"]],
    ["a pin", (hello) => hello.service().pin("default", { image: "latest" }, caller), ["environments"]],
    ["a push", (hello) => hello.push(2, "latest"), ["environments", "images"]],
    [
      "another default cluster",
      (hello) => hello.accountObject.patchCluster("main", { ack: "async" }, caller),
      ["environments"],
    ],
    ["its removal", (hello) => hello.service().remove(), ["backends", "environments", "images"]],
  ])("is notified once of %s", async ([_, change, changed], { pinned: hello }) => {
    const received = await followService(hello);
    await change(hello);
    await vi.waitFor(() => expect(received).toEqual([{ changed }]), soon);
  });

  test("is notified of a status that is reported to the service, and of an end", async ({
    pinned: hello,
  }) => {
    const { backendId } = value(await hello.connect());
    for (const status of ["ready", "terminated"] as const) {
      const received = await followService(hello);
      value(await hello.report(backendId, 1, status));
      await vi.waitFor(() => expect(received).toEqual([{ changed: ["backends"] }]), soon);
    }
  });

  test("is still notified after the service was evicted", async ({ pinned: hello }) => {
    const received = await followService(hello);
    await evict(hello.service());
    value(await hello.connect());
    await vi.waitFor(() => expect(received).toEqual([{ changed: ["backends"] }]), soon);
  });

  test("is refused where the service is removed", async ({ hello }) => {
    value(await hello.service().remove());
    expect((await hello.service().fetch("http://object.test/follow/news")).status).toBe(404);
  });
});

describe("nudges", () => {
  /** Nudges by a clock that stands still, with what their followers were sent. */
  function clockedNudges() {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const received: unknown[] = [];
    const followers = {
      followed: true,
      isFollowed: () => followers.followed,
      send: (_: string, messages: readonly unknown[]) => void received.push(...messages),
    };
    return { nudges: new Nudges(followers), received, followers };
  }

  test("notify of the first change at once, those within half a second together, and lose none", async () => {
    const { nudges, received } = clockedNudges();
    const backends = { changed: ["backends"] };
    nudges.changed(["backends"]);
    await Promise.resolve();
    expect(received).toEqual([backends]);
    for (let i = 0; i < 100; i++) nudges.changed(["backends"]);
    nudges.changed(["images"]);
    vi.advanceTimersByTime(nudgeEveryMs - 1);
    expect(received).toEqual([backends]);
    vi.advanceTimersByTime(1);
    expect(received).toEqual([backends, { changed: ["backends", "images"] }]);
    vi.advanceTimersByTime(nudgeEveryMs);
    expect(vi.getTimerCount()).toBe(0);
    nudges.changed(["backends"]);
    await Promise.resolve();
    expect(received).toHaveLength(3);
  });

  test("set no timer and keep nothing while nobody follows", async () => {
    const { nudges, received, followers } = clockedNudges();
    followers.followed = false;
    nudges.changed(["backends"]);
    await Promise.resolve();
    expect(vi.getTimerCount()).toBe(0);
    followers.followed = true;
    nudges.changed(["images"]);
    await Promise.resolve();
    expect(received).toEqual([{ changed: ["images"] }]);
    followers.followed = false;
    vi.advanceTimersByTime(nudgeEveryMs);
    expect(vi.getTimerCount()).toBe(0);
  });
});
