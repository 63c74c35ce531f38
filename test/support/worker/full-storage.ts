import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import { storageCheckStub } from "../../../src/objects/stubs.ts";

const isWrite = /^\s*(INSERT|UPDATE|DELETE|CREATE|ALTER)\b/i;

/**
 * Leaves no object room to write: every write fails as SQLite does where a page more is needed than there may be. Unlike
 * a full disk it does not reset the object; `test/e2e/failures/full-disk.test.ts` has one.
 * @returns what makes room again
 */
export async function fillStorage(): Promise<() => void> {
  const prototype = await runInDurableObject(storageCheckStub(env), (_, { storage }) => {
    const found: Pick<SqlStorage, "exec"> = Object.getPrototypeOf(storage.sql);
    return found;
  });
  const exec = prototype.exec;
  const spy = vi.spyOn(prototype, "exec").mockImplementation(function (this: SqlStorage, query, ...bindings) {
    if (isWrite.test(query)) throw new Error("database or disk is full: SQLITE_FULL");
    return Reflect.apply(exec, this, [query, ...bindings]);
  });
  return () => spy.mockRestore();
}
