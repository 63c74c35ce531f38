import { afterEach, describe, expect, test, vi } from "vitest";
import type { BackendStatus, StatusEntry } from "../../../src/domain/backends/status.ts";
import { leadSilentMs, leadSuspectedMs, leadWatchedLongestMs } from "../../../src/domain/limits.ts";
import { fail, ok } from "../../../src/domain/result.ts";
import { SharedStatuses } from "../../../src/edge/streams/shared-statuses.ts";
import { followerPing, followerPong } from "../../../src/objects/followers.ts";

/** The shard of one backend: it sends a follower the history first, and then what is new. */
class Shard {
  readonly history: StatusEntry[] = [{ status: "scheduled", time: 1 }];
  readonly followers = new Set<WebSocket>();
  opened = 0;

  readonly open = async () => {
    const { 0: client, 1: server } = new WebSocketPair();
    this.opened += 1;
    this.followers.add(server);
    server.accept();
    server.addEventListener("close", () => this.followers.delete(server));
    server.addEventListener("message", ({ data }) => data === followerPing && server.send(followerPong));
    for (const entry of this.history) server.send(JSON.stringify(entry));
    return ok(client);
  };

  reach(status: BackendStatus): void {
    const entry = { status, time: 1 };
    this.history.push(entry);
    for (const follower of this.followers) follower.send(JSON.stringify(entry));
  }

  breakOff(): void {
    for (const follower of this.followers) follower.close(1012, "restarting");
    this.followers.clear();
  }
}

async function followerOf(shared: SharedStatuses, shard: Pick<Shard, "open">, whileWaiting?: () => void) {
  const followed = await shared.follow("backend", shard.open, whileWaiting);
  if (!followed.ok) throw new Error(followed.error.message);
  const source = followed.value;
  const seen: BackendStatus[] = [];
  const over = (async () => {
    for (;;) {
      const { items, isLast } = await source.next();
      seen.push(...items.map(({ status }) => status));
      if (isLast) return;
    }
  })();
  return { seen, over, leave: () => source.release?.() };
}

afterEach(() => void vi.useRealTimers());

describe("the streams of a backend", () => {
  test("share one follower of its shard, and all of them get every status once", async () => {
    const [shared, shard] = [new SharedStatuses(), new Shard()];
    const first = await Promise.all(Array.from({ length: 20 }, () => followerOf(shared, shard)));
    shard.reach("loading");
    const late = await followerOf(shared, shard);
    shard.reach("ready");
    shard.reach("terminated");
    for (const { seen, over } of [...first, late]) {
      await over;
      expect(seen).toEqual(["scheduled", "loading", "ready", "terminated"]);
    }
    expect(shard.opened).toBe(1);
    await vi.waitFor(() => expect(shard.followers.size).toBe(0));
  });

  test("go on when the one that follows for all leaves, and miss nothing", async () => {
    const [shared, shard] = [new SharedStatuses(), new Shard()];
    const streams = [];
    for (let i = 0; i < 5; i++) streams.push(await followerOf(shared, shard));
    for (const [i, leaving] of streams.slice(0, 4).entries()) {
      leaving.leave();
      await leaving.over;
      const status = (["loading", "starting", "waiting", "ready"] as const)[i] ?? "terminated";
      shard.reach(status);
      for (const staying of streams.slice(i + 1)) {
        await vi.waitFor(() => expect(staying.seen.at(-1)).toBe(status));
      }
    }
    expect(streams[4]?.seen).toEqual(["scheduled", "loading", "starting", "waiting", "ready"]);
    // Whoever came last has taken over from the first, and stayed.
    expect(shard.opened).toBe(2);
    streams[4]?.leave();
    await vi.waitFor(() => expect(shard.followers.size).toBe(0));
  });

  test("go on when the request of the one that follows for all has ended without a word", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
    const [shared, shard] = [new SharedStatuses(), new Shard()];
    // Its timers are gone with it, so that it shows no life; nor does its socket carry anything.
    const beating = vi.spyOn(globalThis, "setInterval").mockImplementation(() => 0 as never);
    await followerOf(shared, shard);
    beating.mockRestore();
    shard.followers.clear();
    const staying = await Promise.all([followerOf(shared, shard), followerOf(shared, shard)]);
    shard.reach("ready");
    vi.advanceTimersByTime(leadSilentMs + leadWatchedLongestMs);
    await vi.waitFor(() => expect(vi.getTimerCount()).toBe(3));
    // Not at the first sight of it.
    expect(shard.opened).toBe(1);
    vi.advanceTimersByTime(leadSuspectedMs);
    for (const { seen } of staying) {
      await vi.waitFor(() => expect(seen).toEqual(["scheduled", "ready"]));
    }
    expect(shard.opened).toBe(2);
  });

  test("show now and then that they wait, also when nothing changes", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const [shared, shard, shown] = [new SharedStatuses(), new Shard(), vi.fn()];
    const waiting = await followerOf(shared, shard, shown);
    for (const times of [1, 2, 3]) {
      await vi.waitFor(() => expect(vi.getTimerCount()).toBe(1));
      vi.advanceTimersByTime(leadWatchedLongestMs);
      await vi.waitFor(() => expect(shown.mock.calls.length).toBeGreaterThanOrEqual(times));
    }
    waiting.leave();
  });

  test("all end when the shard breaks off, and whoever reconnects sees the replay", async () => {
    const [shared, shard] = [new SharedStatuses(), new Shard()];
    const streams = await Promise.all([followerOf(shared, shard), followerOf(shared, shard)]);
    shard.breakOff();
    await Promise.all(streams.map(({ over }) => over));
    shard.reach("ready");
    const again = await followerOf(shared, shard);
    await vi.waitFor(() => expect(again.seen).toEqual(["scheduled", "ready"]));
    again.leave();
  });

  test("are all refused when the one that opens is", async () => {
    const shared = new SharedStatuses();
    const { promise, resolve } = Promise.withResolvers<void>();
    const open = vi.fn(() => promise.then(() => fail("backend_not_found", "there is none")));
    const opening = [shared.follow("backend", open), shared.follow("backend", open)];
    resolve();
    for (const answer of await Promise.all(opening)) {
      expect(answer).toMatchObject({ ok: false, error: { code: "backend_not_found" } });
    }
    expect(open).toHaveBeenCalledOnce();
    const shard = new Shard();
    const later = await followerOf(shared, shard);
    later.leave();
  });

  test("that open while another's opening fails with a bug are refused, and wait for nothing", async () => {
    const shared = new SharedStatuses();
    const { promise, reject } = Promise.withResolvers<never>();
    const opening = [shared.follow("backend", () => promise), shared.follow("backend", () => promise)];
    const answers = Promise.allSettled(opening);
    reject(new Error("a bug"));
    expect(await answers).toMatchObject([
      { status: "rejected" },
      { status: "fulfilled", value: { ok: false, error: { code: "unavailable" } } },
    ]);
  });
});
