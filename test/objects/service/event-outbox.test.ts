import { describe, expect, onTestFinished, test, vi } from "vitest";
import { eventsGatheredMs, eventsSentAtOnce, recoveryDelayMs } from "../../../src/domain/limits.ts";
import { ok, type Result } from "../../../src/domain/result.ts";
import { FailureLog } from "../../../src/objects/failures/failure-log.ts";
import { EventOutbox } from "../../../src/objects/service/feed/event-outbox.ts";

/** An outbox over rows in memory, by a clock that stands still, with the ids of what each call took. */
function clockedOutbox({ answers = async () => ok(null) }: { answers?: () => Promise<Result<null>> } = {}) {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const rows = new Map<string, string>();
  const calls: string[][] = [];
  const alarms: number[] = [];
  const outbox = new EventOutbox(
    {
      db: { ready: true },
      sql: {
        queuedEvents: (limit) => Array.from(rows, ([id, event]) => ({ id, event })).slice(0, limit),
        dropQueuedEvents: (ids) => ids.map((id) => rows.delete(id)).includes(true),
      },
    },
    { noLaterThan: (at) => void (at !== null && alarms.push(at - Date.now())) },
    new FailureLog("a test"),
    (events) => {
      calls.push(events.map(({ id }) => id));
      return answers();
    },
  );
  let written = 0;
  return {
    calls,
    alarms,
    write(count = 1) {
      for (let n = 0; n < count; n++) {
        written += 1;
        rows.set(`e${written}`, JSON.stringify({ id: `e${written}` }));
        outbox.changed();
      }
    },
    left: () => rows.size,
  };
}

/** Lets everything happen that waits for no timer. */
const settled = () => vi.advanceTimersByTimeAsync(0);

describe("events of a service", () => {
  test("go to the account at once, and those of the next moment together", async () => {
    const { calls, write, left } = clockedOutbox();
    write();
    await settled();
    expect(calls).toEqual([["e1"]]);
    for (let n = 0; n < 3; n++) {
      write();
      await settled();
    }
    expect(calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(eventsGatheredMs);
    expect(calls).toEqual([["e1"], ["e2", "e3", "e4"]]);
    expect([left(), vi.getTimerCount()]).toEqual([0, 0]);
    await vi.advanceTimersByTimeAsync(eventsGatheredMs);
    write();
    await settled();
    expect(calls).toHaveLength(3);
  });

  test("that are written during a call follow it without an alarm", async () => {
    const { promise, resolve } = Promise.withResolvers<Result<null>>();
    const { calls, write, left } = clockedOutbox({ answers: () => promise });
    write();
    await settled();
    await vi.advanceTimersByTimeAsync(2 * eventsGatheredMs);
    write();
    resolve(ok(null));
    await vi.advanceTimersByTimeAsync(eventsGatheredMs);
    expect(calls).toEqual([["e1"], ["e2"]]);
    expect(left()).toBe(0);
  });

  test("that are more than a call takes go in several, one after the other", async () => {
    const { calls, write, left } = clockedOutbox();
    write(2 * eventsSentAtOnce + 1);
    await settled();
    expect(calls.map(({ length }) => length)).toEqual([eventsSentAtOnce, eventsSentAtOnce, 1]);
    expect(left()).toBe(0);
  });

  test("have an alarm while they wait for more, so that a kill keeps none back", async () => {
    const { alarms, write } = clockedOutbox();
    write();
    await settled();
    const before = alarms.length;
    write();
    await settled();
    expect(alarms.slice(before)).toEqual([recoveryDelayMs]);
  });
});
