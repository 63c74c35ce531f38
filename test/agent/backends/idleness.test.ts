import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Backend } from "../../../src/agent/backends/backend.ts";
import { Idleness } from "../../../src/agent/backends/idleness.ts";
import { agentClock } from "../../../src/agent/clock.ts";
import type { BackendStatus, StatusEntry } from "../../../src/domain/backends/status.ts";
import { spawnWebhookData } from "../../../src/protocol/webhooks/webhook.ts";
import { spawnData, testFolder } from "../support/cluster.ts";
import { processesIn } from "../support/quick.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const maxIdleSeconds = 2;
const maxIdleMs = maxIdleSeconds * 1000;
/** Every moment around the sweep, and some before. */
const moments = [0, 1, 500, 1_999, ...Array.from({ length: 21 }, (_, i) => maxIdleMs - 10 + i)];

/** A backend that an earlier agent has left in a status, and of which nothing but its timers goes on. */
async function backendIn(status: BackendStatus, isKept = true) {
  const limits = { startup_timeout_seconds: 60, max_idle_seconds: maxIdleSeconds };
  const entered: StatusEntry[] = [];
  const backend = new Backend(
    spawnWebhookData.parse(spawnData("serve", { key: null, limits })),
    { history: [{ status, time: Date.now() }], failure: null },
    {
      runtime: processesIn(await testFolder()),
      clock: agentClock,
      log: () => undefined,
      lease: { check: () => true },
      onStatus: (_, entry) => entered.push(entry),
    },
  );
  const started = { address: { host: "127.0.0.1", port: 1 }, exited: new Promise<never>(() => undefined) };
  if (isKept) backend.resume("watch", started);
  return { backend, entered };
}

describe("a touch", () => {
  test.for(moments)(
    "after %i ms without a connection either gives all of the idle time, or comes too late",
    async (at) => {
      const { backend, entered } = await backendIn("ready");
      await vi.advanceTimersByTimeAsync(at);
      const isSwept = backend.status !== "ready";
      expect(isSwept).toBe(at >= maxIdleMs);
      expect(backend.touch()).toBe(!isSwept);
      await vi.advanceTimersByTimeAsync(maxIdleMs - 1);
      expect(backend.status).toBe(isSwept ? "terminating" : "ready");
      await vi.advanceTimersByTimeAsync(1);
      expect(backend.status).toBe("terminating");
      expect(entered).toMatchObject([{ status: "terminating", termination_reason: "swept" }]);
    },
  );

  test("again and again keeps a backend for as long as it goes on", async () => {
    const { backend } = await backendIn("ready");
    for (let i = 0; i < 50; i++) {
      await vi.advanceTimersByTimeAsync(maxIdleMs - 1);
      expect(backend.touch()).toBe(true);
    }
    await vi.advanceTimersByTimeAsync(maxIdleMs);
    expect(backend.touch()).toBe(false);
  });

  test.for(["scheduled", "loading", "starting", "waiting", "ready"] as const)(
    "is accepted of a backend that is %s",
    async (status) => {
      const { backend } = await backendIn(status, false);
      expect(backend.touch()).toBe(true);
    },
  );

  test.for(["terminating", "hard-terminating", "terminated"] as const)(
    "is refused of a backend that is %s",
    async (status) => {
      const { backend } = await backendIn(status, false);
      backend.resume(status === "terminated" ? "none" : "watch", {
        address: { host: "127.0.0.1", port: 1 },
        exited: new Promise<never>(() => undefined),
      });
      expect(backend.touch()).toBe(false);
    },
  );
});

/** Of a ready backend. */
function watched() {
  const sweep = vi.fn<() => void>();
  const idleness = new Idleness(maxIdleSeconds, sweep);
  idleness.begin();
  return { sweep, idleness };
}

describe("idle time", () => {
  test("does not run before the backend is ready, whatever was touched", () => {
    const sweep = vi.fn<() => void>();
    const idleness = new Idleness(maxIdleSeconds, sweep);
    idleness.restart();
    vi.advanceTimersByTime(10 * maxIdleMs);
    expect(idleness.seconds).toBeNull();
    idleness.begin();
    vi.advanceTimersByTime(maxIdleMs - 1);
    expect(sweep).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(sweep).toHaveBeenCalledOnce();
  });

  test("does not run while there is a connection, and begins anew with the end of the last", () => {
    const { idleness, sweep } = watched();
    const [first, second] = [idleness.openConnection(), idleness.openConnection()];
    vi.advanceTimersByTime(10 * maxIdleMs);
    idleness.restart();
    first();
    first();
    vi.advanceTimersByTime(10 * maxIdleMs);
    expect(sweep).not.toHaveBeenCalled();
    second();
    vi.advanceTimersByTime(maxIdleMs - 1);
    expect(sweep).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(sweep).toHaveBeenCalledOnce();
  });

  test("is listed in whole seconds, never less than it was, and 0 only while it is connected", () => {
    const { idleness } = watched();
    const listed = [0, 1, 998, 1, 1, 500].map((ms) => {
      vi.advanceTimersByTime(ms);
      return idleness.seconds;
    });
    expect(listed).toEqual([1, 1, 1, 1, 2, 2]);
    const close = idleness.openConnection();
    vi.advanceTimersByTime(maxIdleMs);
    expect(idleness.seconds).toBe(0);
    close();
    vi.advanceTimersByTime(1_001);
    expect(idleness.seconds).toBe(2);
    idleness.restart();
    expect(idleness.seconds).toBe(1);
    idleness.end();
    expect(idleness.seconds).toBeNull();
  });

  test("runs out for nothing that has no limit of it, or has ended", () => {
    const sweep = vi.fn<() => void>();
    const unlimited = new Idleness(0, sweep);
    unlimited.begin();
    unlimited.openConnection()();
    const ended = new Idleness(maxIdleSeconds, sweep);
    ended.begin();
    const close = ended.openConnection();
    ended.end();
    close();
    ended.begin();
    ended.restart();
    vi.advanceTimersByTime(10 * maxIdleMs);
    expect(sweep).not.toHaveBeenCalled();
    expect([unlimited.seconds, ended.seconds]).toEqual([null, null]);
  });
});
