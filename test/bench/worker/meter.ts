import type { Counts } from "../counts.ts";

/** What all objects and the Worker of this isolate have used. */
const objectCalls = new Map<string, number>();
const rowsRead = new Map<string, number>();
const rowsWritten = new Map<string, number>();
/** When the alarm of each object will fire, by the object's id. */
const alarms = new Map<string, number>();
const idsOfInstances = new WeakMap<object, string>();
let workerRequests = 0;

export function countWorkerRequest(): void {
  workerRequests += 1;
}

/** Counts what an object's storage reads and writes. Call it before the object's own constructor. */
export function meterStorage(ctx: DurableObjectState, className: string): DurableObjectState {
  const { storage } = ctx;
  const { sql } = storage;
  const exec = sql.exec.bind(sql);
  replaceMethod(sql, "exec", (query: string, ...values: unknown[]) => {
    const cursor = exec(query, ...values);
    // A cursor counts what it has passed, and is consumed in the same turn.
    queueMicrotask(() => {
      const statement = `${className}: ${statementName(query)}`;
      add(rowsRead, statement, cursor.rowsRead);
      add(rowsWritten, statement, cursor.rowsWritten);
    });
    return cursor;
  });
  const setAlarm = storage.setAlarm.bind(storage);
  replaceMethod(storage, "setAlarm", (at: number | Date) => {
    add(rowsWritten, `${className}: setAlarm`, 1);
    alarms.set(ctx.id.toString(), new Date(at).getTime());
    return setAlarm(at);
  });
  return ctx;
}

/** Registers an instance as that of an object, so that its alarm is no longer counted as set once it fires. */
export function meterInstance(instance: object, id: string): void {
  idsOfInstances.set(instance, id);
}

/** Counts the calls of an object's methods, its alarm and its `fetch`, all of which are requests. */
export function meterCalls(metered: object, production: object, className: string): void {
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(production))) {
    if (name === "constructor" || typeof value !== "function") continue;
    replaceMethod(metered, name, function (this: object, ...values: unknown[]) {
      add(objectCalls, `${className}.${name}`, 1);
      if (name === "alarm") alarms.delete(idsOfInstances.get(this) ?? "");
      return Reflect.apply(value, this, values);
    });
  }
}

/** @param now milliseconds since the epoch */
export function counted(now: number): Counts {
  return {
    workerRequests,
    objectCalls: Object.fromEntries(objectCalls),
    rowsRead: Object.fromEntries(rowsRead),
    rowsWritten: Object.fromEntries(rowsWritten),
    pendingAlarmsMs: [...alarms.values()].map((at) => at - now),
  };
}

function replaceMethod(target: object, name: string, method: (...values: never[]) => unknown): void {
  Object.defineProperty(target, name, { value: method, configurable: true, writable: true });
}

function add(totals: Map<string, number>, name: string, amount: number): void {
  if (amount !== 0) totals.set(name, (totals.get(name) ?? 0) + amount);
}

/** `INSERT INTO backends`, `UPDATE backends SET status`: enough to recognise a statement. */
function statementName(query: string): string {
  return query
    .trim()
    .split(/\s+/)
    .slice(0, 4)
    .join(" ")
    .replace(/\s*\(.*$/, "");
}
