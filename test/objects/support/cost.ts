import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { expect, vi } from "vitest";
import { alarmOf } from "../../support/worker/clock.ts";

/** An alarm that is set to a time which is past, again and again, would keep a test going for ever. */
const alarmsAtMost = 100;

/** What an object has used since it is metered. */
export interface Cost {
  /** When alarms rang, in milliseconds since the first instant. */
  alarms: number[];
  /** Rows written by statement, `setAlarm` among them, which is billed as one. */
  rows: Record<string, number>;
  /** Rows read, of whatever table. */
  read: number;
  /** How many statements were run. */
  statements: number;
}

/** Counts what an object writes and reads from now on. What the test mocks is restored after it. */
export async function metered(stub: DurableObjectStub) {
  let begunAt = Date.now();
  const cost: Cost = { alarms: [], rows: {}, read: 0, statements: 0 };
  const add = (statement: string, rows: number) => {
    if (rows > 0) cost.rows[statement] = (cost.rows[statement] ?? 0) + rows;
  };
  await runInDurableObject(stub, (_, { storage }) => {
    const { sql } = storage;
    const exec = sql.exec.bind(sql);
    vi.spyOn(sql, "exec").mockImplementation((query, ...values) => {
      const cursor = exec(query, ...values);
      cost.statements += 1;
      // A cursor counts what it has passed, and is consumed in the same turn.
      queueMicrotask(() => {
        add(query.trim().split(/\s+/).slice(0, 3).join(" "), cursor.rowsWritten);
        cost.read += cursor.rowsRead;
      });
      return cursor;
    });
    const setAlarm = storage.setAlarm.bind(storage);
    vi.spyOn(storage, "setAlarm").mockImplementation((at) => {
      add("setAlarm", 1);
      return setAlarm(at);
    });
  });
  return {
    cost,
    /** Counts anew. */
    reset(): void {
      begunAt = Date.now();
      cost.alarms = [];
      cost.rows = {};
      cost.read = 0;
      cost.statements = 0;
    },
    /** Lets the clock run on by `ms`, with each alarm at its time. @param settled waits for what an alarm has begun */
    async letPass(ms: number, settled: () => Promise<unknown>): Promise<void> {
      const until = Date.now() + ms;
      await settled();
      for (let at = await alarmOf(stub); at !== null && at <= until; at = await alarmOf(stub)) {
        vi.setSystemTime(Math.max(at, Date.now()));
        cost.alarms.push(Date.now() - begunAt);
        expect(cost.alarms.length, `alarms rang at ${cost.alarms}`).toBeLessThan(alarmsAtMost);
        await runDurableObjectAlarm(stub);
        await settled();
      }
      vi.setSystemTime(until);
    },
  };
}
