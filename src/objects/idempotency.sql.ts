import { idempotencyKeptMs } from "../domain/limits.ts";
import { fail, ok, type Result } from "../domain/result.ts";
import type { Idempotency } from "./contract.ts";
import type { Database, Migration } from "./database.ts";
import { type ExpiringRows, rowsKeptFor } from "./expiries.ts";

export const idempotencyMigration: Migration = {
  name: "idempotency",
  sql: `
    CREATE TABLE idempotency (
      key TEXT PRIMARY KEY,
      request_hash TEXT NOT NULL,
      result TEXT, -- JSON of a Result; null while the answer is not known yet
      subject TEXT, -- what the request made, for answers that come later
      at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX idempotency_at ON idempotency (at);
  `,
};

export interface IdempotencyRecord<T> {
  result: Result<T> | null;
  subject: string | null;
}

type IdempotencyRow = { request_hash: string; result: string | null; subject: string | null };

/** What a record is stored under: neither part has a comma. */
function storedKey({ principal, key }: Idempotency): string {
  return `${principal},${key}`;
}

/** Answers to requests that named themselves, kept for a day for whoever made them; `idempotencyExpiry` deletes them. */
export function idempotencySql(db: Pick<Database, "first" | "run" | "transaction">) {
  const kept = (key: string, now: number) =>
    db.first<IdempotencyRow>(
      "SELECT request_hash, result, subject FROM idempotency WHERE key = ? AND at > ?",
      key,
      now - idempotencyKeptMs,
    );

  /** The caller must be permitted what the record is about before it is shown to it. */
  function find<T>(idempotency: Idempotency, now: number): Result<IdempotencyRecord<T> | null> {
    const { key, requestHash } = idempotency;
    const row = kept(storedKey(idempotency), now);
    if (!row) {
      // Records without a principal are of a version that had none. Whose they are is not known: to act once more
      // would be as wrong as to show them.
      if (!kept(key, now)) return ok(null);
      return fail(
        "idempotency_mismatch",
        `the Idempotency-Key \`${key}\` was used, and it is not known by whom; use another one`,
      );
    }
    if (row.request_hash !== requestHash) {
      return fail("idempotency_mismatch", `the Idempotency-Key \`${key}\` was used with another request`);
    }
    const result: Result<T> | null = row.result === null ? null : JSON.parse(row.result);
    return ok({ result, subject: row.subject });
  }

  function keep<T>(idempotency: Idempotency, record: IdempotencyRecord<T>, now: number): void {
    // One that is past its keeping, and was not deleted yet, is another request's.
    db.run(
      `INSERT INTO idempotency (key, request_hash, result, subject, at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET request_hash = excluded.request_hash, result = excluded.result,
         subject = excluded.subject, at = CASE WHEN at <= ? THEN excluded.at ELSE at END`,
      storedKey(idempotency),
      idempotency.requestHash,
      record.result === null ? null : JSON.stringify(record.result),
      record.subject,
      now,
      now - idempotencyKeptMs,
    );
  }

  return {
    find,
    keep,
    /**
     * Runs `action` once for each idempotency key, in the same transaction as the record of its result. Failures
     * change nothing and are not kept: a retry may then succeed.
     */
    once<T>(idempotency: Idempotency | undefined, now: number, action: () => Result<T>): Result<T> {
      return db.transaction(() => {
        if (!idempotency) return action();
        const found = find<T>(idempotency, now);
        if (!found.ok) return found;
        if (found.value?.result) return found.value.result;
        const result = action();
        if (result.ok) keep(idempotency, { result, subject: null }, now);
        return result;
      });
    },
  };
}
export type IdempotencySql = ReturnType<typeof idempotencySql>;

/** The same, as they go. */
export function idempotencyExpiry(db: Pick<Database, "first" | "run">): ExpiringRows {
  return rowsKeptFor(db, { table: "idempotency", key: "key", keptMs: idempotencyKeptMs });
}
