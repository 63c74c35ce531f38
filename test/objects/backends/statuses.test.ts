import { runInDurableObject } from "cloudflare:test";
import { describe, expect, vi } from "vitest";
import { Backends } from "../../../src/objects/backends/backends.ts";
import { Followers, followerPing, followerPong } from "../../../src/objects/followers.ts";
import { evict, frozenAt } from "../../support/worker/clock.ts";
import { setUpBackend, startBackend, statuses } from "../support/backend.ts";
import { follow } from "../support/follow.ts";
import { test } from "../support/object-test.ts";
import { caller, code, setUpPinned, value } from "../support/service.ts";

describe("a shard", () => {
  test("learns what was decided about a backend at the first request, and writes nothing for that", async ({
    backend,
  }) => {
    expect(await backend.describe()).toMatchObject({
      info: { id: backend.backendId, cluster: "main", fencingToken: backend.fencingToken, key: null },
      history: [{ status: "scheduled", time: frozenAt }],
      baseUrl: `https://${backend.backendId}.cluster.test`,
    });
    const tables = await runInDurableObject(backend.shard(), (_, { storage }) =>
      storage.sql.exec("SELECT name FROM sqlite_master").toArray(),
    );
    expect(tables).toEqual([]);
  });

  test("does not know a backend that was never started, nor a report on one", async ({ backend }) => {
    const never = backend.backendId.slice(0, 6) + "0".repeat(7);
    const shard = backend.shard();
    expect(code(await shard.describe(backend.hello.account, "hello", never))).toBe("backend_not_found");
    const report = { status: "ready", fencing_token: 1 } as const;
    expect(code(await shard.report(backend.hello.account, "hello", "main", never, report))).toBe(
      "backend_not_found",
    );
    expect(await follow(backend.hello, never)).toEqual({ status: 404 });
  });

  test("takes no report from another cluster", async ({ backend }) => {
    expect(code(await backend.report({ status: "ready" }, "elsewhere"))).toBe("backend_not_found");
    expect(statuses((await backend.describe()).history)).toEqual(["scheduled"]);
  });
});

describe("a history", () => {
  test("holds each status once, in order and with its time", async ({ backend }) => {
    for (const status of ["loading", "starting", "waiting", "ready", "terminating", "terminated"] as const) {
      expect(value(await backend.report({ status }))).toEqual({ accepted: true, current: status });
      expect(value(await backend.report({ status }))).toEqual({ accepted: false, current: status });
    }
    const { history } = await backend.describe();
    expect(history.map(({ status, time }) => [status, time - frozenAt])).toEqual([
      ["scheduled", 0],
      ["loading", 1_000],
      ["starting", 3_000],
      ["waiting", 5_000],
      ["ready", 7_000],
      ["terminating", 9_000],
      ["terminated", 11_000],
    ]);
  });

  test("does not go backwards: such a report is not accepted, and is answered with the present status", async ({
    backend,
  }) => {
    value(await backend.report({ status: "ready" }));
    expect(value(await backend.report({ status: "loading" }))).toEqual({ accepted: false, current: "ready" });
    value(await backend.report({ status: "terminated" }));
    expect(value(await backend.report({ status: "ready" }))).toEqual({
      accepted: false,
      current: "terminated",
    });
    expect(statuses((await backend.describe()).history)).toEqual(["scheduled", "ready", "terminated"]);
  });

  test("ends with the reason, kind and exit code that were reported, and the last status before the end", async ({
    backend,
  }) => {
    value(await backend.report({ status: "waiting" }));
    value(await backend.report({ status: "terminating", termination_reason: "swept" }));
    value(await backend.report({ status: "terminated", termination_kind: "soft", exit_code: 3 }));
    expect((await backend.describe()).history.at(-1)).toMatchObject({
      status: "terminated",
      termination_reason: "swept",
      termination_kind: "soft",
      exit_code: 3,
      last_status: "waiting",
    });
  });

  test("keeps the reason of an end that was requested, and calls it hard if it was made hard", async ({
    backend,
  }) => {
    value(await backend.report({ status: "ready" }));
    value(await backend.hello.service().terminate(backend.backendId, false, caller));
    value(await backend.hello.service().terminate(backend.backendId, true, caller));
    value(await backend.report({ status: "terminated", exit_code: 137 }));
    expect((await backend.describe()).history).toMatchObject([
      { status: "scheduled" },
      { status: "ready" },
      { status: "terminating", termination_reason: "external" },
      { status: "hard-terminating", termination_reason: "external" },
      {
        status: "terminated",
        termination_reason: "external",
        termination_kind: "hard",
        exit_code: 137,
        last_status: "ready",
      },
    ]);
  });

  test("is the same after an eviction", async ({ backend }) => {
    value(await backend.report({ status: "loading" }));
    value(await backend.report({ status: "ready" }));
    const before = await backend.describe();
    await evict(backend.shard());
    expect(await backend.describe()).toEqual(before);
  });

  test("gets the URL that a report carries, and so does who connects", async ({ cluster }) => {
    const hello = await setUpPinned({ template: null });
    cluster.script(() => Response.json({ url: "https://first.example.com" }));
    const backend = await startBackend(hello, "doc");
    value(await backend.report({ status: "ready", url: "https://second.example.com/" }));
    expect((await backend.describe()).baseUrl).toBe("https://second.example.com");
    expect(value(await hello.connect({ key: "doc" })).baseUrl).toBe("https://second.example.com");
  });
});

describe("one report of several statuses", () => {
  const start = {
    status: "ready",
    earlier: [
      { status: "loading", ms_ago: 300 },
      { status: "starting", ms_ago: 200 },
      { status: "waiting", ms_ago: 100 },
    ],
  } satisfies Parameters<Awaited<ReturnType<typeof setUpBackend>>["report"]>[0];

  test("enters each at its time, and sends each to followers", async ({ backend }) => {
    const follower = await backend.follow();
    expect(value(await backend.report(start))).toEqual({ accepted: true, current: "ready" });
    const { history } = await backend.describe();
    expect(history.map(({ status, time }) => [status, time - frozenAt])).toEqual([
      ["scheduled", 0],
      ["loading", 700],
      ["starting", 800],
      ["waiting", 900],
      ["ready", 1_000],
    ]);
    await vi.waitFor(() => expect(follower.entries).toEqual(history));
  });

  test("adds nothing when it comes twice, nor what came before by itself", async ({ backend }) => {
    value(await backend.report({ status: "loading" }));
    value(await backend.report(start));
    const { history } = await backend.describe();
    expect(statuses(history)).toEqual(["scheduled", "loading", "starting", "waiting", "ready"]);
    expect(value(await backend.report(start))).toEqual({ accepted: false, current: "ready" });
    expect(await backend.history()).toEqual(history);
  });

  test("brings nothing before the backend was created, and nothing out of order", async ({ backend }) => {
    const earlier = start.earlier.map((each) => ({ ...each, ms_ago: 3_600_000 }));
    value(await backend.report({ ...start, earlier }));
    expect((await backend.history()).map(({ time }) => time - frozenAt)).toEqual([0, 1, 2, 3, 1_000]);
  });

  test("counts as becoming ready also where the end came with it, and ends the backend", async ({
    backend: { hello, ...backend },
  }) => {
    const earlier = [
      { status: "ready", ms_ago: 500 },
      { status: "terminating", ms_ago: 400, termination_reason: "swept" },
    ] as const;
    value(await backend.report({ status: "terminated", exit_code: 0, earlier: [...earlier] }));
    expect(statuses(await backend.history())).toEqual(["scheduled", "ready", "terminating", "terminated"]);
    const hour = { from: frozenAt - 60_000, to: frozenAt + 60_000, stepMs: 60_000 };
    const [counted] = value(await hello.service().usage(hour));
    expect(counted?.totals).toMatchObject({ ready: 1, failed: 0 });
  });
});

describe("the URL of a backend", () => {
  test("is known from the cluster's answer, also when a report was quicker", async ({ cluster }) => {
    const hello = await setUpPinned({ template: null });
    const { promise, resolve } = Promise.withResolvers<void>();
    cluster.script(() => promise.then(() => Response.json({ url: "https://b.example.com" })));
    const connecting = hello.connect();
    await vi.waitFor(() => expect(cluster.of("backend.spawn")).toHaveLength(1));
    const [live] = value(await hello.service().liveBackends());
    const id = live?.info.id ?? "";
    value(await hello.report(id, live?.info.fencingToken ?? 0, "loading"));
    expect(value(await hello.shard(id).describe(hello.account, "hello", id)).baseUrl).toBeNull();
    resolve();
    value(await connecting);
    expect(value(await hello.shard(id).describe(hello.account, "hello", id)).baseUrl).toBe(
      "https://b.example.com",
    );
  });
});

describe("a follower", () => {
  test("gets the history, then each new status, and is closed after terminated", async ({ backend }) => {
    value(await backend.report({ status: "loading" }));
    const follower = await backend.follow();
    await vi.waitFor(() => expect(statuses(follower.entries)).toEqual(["scheduled", "loading"]));
    value(await backend.report({ status: "ready" }));
    await vi.waitFor(() => expect(statuses(follower.entries).at(-1)).toBe("ready"));
    expect(follower.closed).toBeNull();
    value(await backend.report({ status: "terminated", exit_code: 0 }));
    await vi.waitFor(() => expect(follower.closed).toBe(1000));
    expect(follower.entries).toEqual((await backend.describe()).history);
  });

  test("of a backend that has ended gets its history and is closed", async ({ backend }) => {
    value(await backend.report({ status: "terminated" }));
    const follower = await backend.follow();
    await vi.waitFor(() => expect(follower.closed).toBe(1000));
    expect(statuses(follower.entries)).toEqual(["scheduled", "terminated"]);
  });

  test("is still notified after the shard was evicted", async ({ backend }) => {
    const follower = await backend.follow();
    await evict(backend.shard());
    value(await backend.report({ status: "ready" }));
    await vi.waitFor(() => expect(statuses(follower.entries)).toEqual(["scheduled", "ready"]));
    await evict(backend.shard());
    value(await backend.report({ status: "terminated" }));
    await vi.waitFor(() => expect(follower.closed).toBe(1000));
    expect(statuses(follower.entries)).toEqual(["scheduled", "ready", "terminated"]);
  });

  test("gets nothing twice when the first status that reaches the shard is a step of Slipway's own", async ({
    backend,
  }) => {
    const follower = await backend.follow();
    value(await backend.hello.service().terminate(backend.backendId, false, caller));
    value(await backend.report({ status: "terminated" }));
    await vi.waitFor(() => expect(follower.closed).toBe(1000));
    expect(statuses(follower.entries)).toEqual(["scheduled", "terminating", "terminated"]);
  });

  test("that is being closed does not keep the others from being notified", async ({ backend }) => {
    const { backendId, fencingToken, hello } = backend;
    value(await backend.report({ status: "loading" }));
    const [gone, follower] = [await backend.follow(), await backend.follow()];
    await runInDurableObject(backend.shard(), async (instance, state) => {
      if (!(instance instanceof Backends)) throw new Error("this is no shard");
      state.getWebSockets(backendId)[0]?.close(1001, "gone");
      const report = { status: "starting", fencing_token: fencingToken } as const;
      value(await instance.report(hello.account, "hello", "main", backendId, report));
    });
    await vi.waitFor(() => expect(statuses(follower.entries)).toEqual(["scheduled", "loading", "starting"]));
    await vi.waitFor(() => expect(gone.closed).toBe(1001));
    expect(statuses(gone.entries)).toEqual(["scheduled", "loading"]);
  });

  test("whose socket fails is closed", async ({ backend }) => {
    const follower = await backend.follow();
    await runInDurableObject(backend.shard(), async (instance, state) => {
      const [socket] = state.getWebSockets(backend.backendId);
      if (!(instance instanceof Backends) || !socket) throw new Error("there is no follower");
      await instance.webSocketError(socket);
    });
    await vi.waitFor(() => expect(follower.closed).not.toBeNull());
  });

  test("that pings the shard is answered by the platform", async ({ backend }) => {
    const follower = await backend.follow();
    follower.send(followerPing);
    await vi.waitFor(() => expect(follower.answers).toEqual([followerPong]));
    await evict(backend.shard());
    follower.send(followerPing);
    await vi.waitFor(() => expect(follower.answers).toEqual([followerPong, followerPong]));
  });

  test("ends when the shard is restarted, and sees the replay when it comes again", async ({ backend }) => {
    value(await backend.report({ status: "ready" }));
    const follower = await backend.follow();
    await runInDurableObject(backend.shard(), (_, state) => state.abort("restarted")).catch(() => null);
    await vi.waitFor(() => expect(follower.closed).not.toBeNull());
    const again = await backend.follow();
    await vi.waitFor(() => expect(statuses(again.entries)).toEqual(["scheduled", "ready"]));
  });

  test("receives nothing of other backends of the same shard", async ({ backend }) => {
    const { hello } = backend;
    const { backendId, fencingToken } = await startBackend(hello);
    const follower = await backend.follow();
    // To the same shard, which is not the neighbour's own: ids that share one are rare.
    const report = { status: "terminated", fencing_token: fencingToken } as const;
    value(await backend.shard().report(hello.account, "hello", "main", backendId, report));
    value(await backend.report({ status: "terminated" }));
    await vi.waitFor(() => expect(follower.closed).toBe(1000));
    expect(follower.entries).toEqual((await backend.describe()).history);
  });
});

describe("the places of a shard", () => {
  test("are given out until they are taken, to one backend fewer than to all, and again when followers leave", async ({
    backend,
  }) => {
    await runInDurableObject(backend.shard(), async (_, state) => {
      const followers = new Followers(state, { ofTag: 2, ofObject: 3 });
      const clients: WebSocket[] = [];
      const accepted = (id: string) => {
        const sockets = followers.accept(id);
        sockets?.client.accept();
        if (sockets) clients.push(sockets.client);
        return sockets !== null;
      };
      expect(["a", "a", "a", "b", "b", "c"].map(accepted)).toEqual([true, true, false, true, false, false]);
      clients[0]?.close(1000);
      await vi.waitFor(() => expect(state.getWebSockets("a")).toHaveLength(1));
      expect(["c", "a"].map(accepted)).toEqual([true, false]);
    });
  });
});

describe("a report that reached the service, but whose own write was lost", () => {
  /** What a shard leaves behind that dies between its two writes. */
  async function lostWrite(status: "ready" | "terminated") {
    const backend = await setUpBackend();
    value(await backend.report({ status: "loading" }));
    const entry = { status, time: Date.now() };
    value(
      await backend.hello.service().statusReached(backend.backendId, backend.fencingToken, [entry], null),
    );
    await evict(backend.shard());
    return backend;
  }

  test("is accepted when the agent repeats it", async () => {
    const backend = await lostWrite("terminated");
    expect(value(await backend.report({ status: "terminated", exit_code: 2 }))).toEqual({
      accepted: true,
      current: "terminated",
    });
    expect((await backend.describe()).history.at(-1)).toMatchObject({ status: "terminated", exit_code: 2 });
  });

  test("is seen as an end by lost when nobody repeats it", async () => {
    const backend = await lostWrite("terminated");
    const { history } = await backend.describe();
    expect(statuses(history)).toEqual(["scheduled", "loading", "terminated"]);
    expect(history.at(-1)).toMatchObject({ termination_reason: "lost", last_status: "loading" });
  });

  test("is taken over from the service when it was not an end", async () => {
    const backend = await lostWrite("ready");
    expect(statuses((await backend.describe()).history)).toEqual(["scheduled", "loading", "ready"]);
  });
});

describe("what the service has of a backend and its shard has not written", () => {
  const start = { status: "ready" as const, earlier: [{ status: "loading" as const, ms_ago: 100 }] };

  test("is there after an eviction of both, and is written with the end", async ({ backend }) => {
    value(await backend.report(start));
    value(await backend.report({ status: "terminating", termination_reason: "swept" }));
    const before = await backend.history();
    const stored = () =>
      runInDurableObject(backend.shard(), (_, { storage: { sql } }) =>
        sql.exec("SELECT name FROM sqlite_master WHERE name = 'backends'").toArray(),
      );
    expect(await stored()).toEqual([]);
    await evict(backend.shard());
    await evict(backend.hello.service());
    expect(await backend.history()).toEqual(before);
    await evict(backend.shard());
    value(await backend.report({ status: "terminated", exit_code: 0 }));
    await evict(backend.shard());
    const ended = await backend.history();
    expect(ended.slice(0, -1)).toEqual(before);
    expect(ended.at(-1)).toMatchObject({ status: "terminated", termination_reason: "swept" });
  });

  test("reaches each follower once, however often the shard is evicted", async ({ backend }) => {
    const first = await backend.follow();
    value(await backend.report(start));
    await evict(backend.shard());
    const second = await backend.follow();
    await evict(backend.shard());
    value(await backend.hello.service().terminate(backend.backendId, false, caller));
    await evict(backend.shard());
    value(await backend.hello.service().terminate(backend.backendId, true, caller));
    await evict(backend.shard());
    value(await backend.report({ status: "terminated" }));
    await vi.waitFor(() => expect([first.closed, second.closed]).toEqual([1000, 1000]));
    const { history } = await backend.describe();
    expect(statuses(history)).toEqual([
      "scheduled",
      "loading",
      "ready",
      "terminating",
      "hard-terminating",
      "terminated",
    ]);
    expect([first.entries, second.entries]).toEqual([history, history]);
  });

  test("is written by the shard where the service has gone on by itself before the report came", async ({
    backend,
  }) => {
    const gate = Promise.withResolvers<void>();
    const { record } = Backends.prototype;
    vi.spyOn(Backends.prototype, "record").mockImplementation(async function (this: Backends, step) {
      await gate.promise;
      return record.call(this, step);
    });
    value(await backend.report({ status: "loading" }));
    const terminating = backend.hello.service().terminate(backend.backendId, false, caller);
    await vi.waitFor(() => expect(Backends.prototype.record).toHaveBeenCalled());
    expect(value(await backend.report(start))).toEqual({ accepted: true, current: "ready" });
    gate.resolve();
    value(await terminating);
    await evict(backend.shard());
    expect(statuses(await backend.history())).toEqual(["scheduled", "loading", "ready", "terminating"]);
  });

  test("is what the shard has written, where an earlier version has kept no more of it", async ({
    backend,
  }) => {
    const { backendId, hello } = backend;
    value(await backend.report({ status: "loading" }));
    value(await backend.report({ status: "ready" }));
    const before = await backend.history();
    await runInDurableObject(backend.shard(), (_, { storage: { sql } }) => {
      sql.exec("UPDATE backends SET history = ? WHERE id = ?", JSON.stringify(before), backendId);
    });
    await runInDurableObject(hello.service(), (_, { storage: { sql } }) => {
      sql.exec("UPDATE backends SET history = '' WHERE id = ?", backendId);
    });
    await evict(backend.shard());
    await evict(hello.service());
    expect(await backend.history()).toEqual(before);
    value(await backend.report({ status: "terminating" }));
    await evict(backend.shard());
    expect(statuses(await backend.history())).toEqual(["scheduled", "loading", "ready", "terminating"]);
  });
});
