import { earliest } from "../domain/deliveries/retry.ts";
import { nextSweepAt } from "../domain/expiry.ts";
import { expiredForgottenAtOnce } from "../domain/limits.ts";
import type { Alarm } from "./alarm.ts";
import type { Database } from "./database.ts";

/** Rows that are kept for a time. Both statements find them by an index. Times in milliseconds since the epoch. */
export interface ExpiringRows {
  /** When the first of them is past its keeping; null where there is none. */
  firstDue(): number | null;
  /** Deletes those that are past it, at most so many. */
  deleteDue(now: number, atOnce: number): void;
}

/**
 * Rows that go a time after what their column `at` says, which has an index.
 * @param of `key`: the column that identifies a row
 */
export function rowsKeptFor(
  db: Pick<Database, "first" | "run">,
  { table, key, keptMs }: { table: string; key: string; keptMs: number },
): ExpiringRows {
  return {
    firstDue() {
      const first = db.first<{ at: number }>(`SELECT at FROM ${table} ORDER BY at LIMIT 1`);
      return first ? first.at + keptMs : null;
    },
    deleteDue: (now, atOnce) =>
      db.run(
        `DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table} WHERE at <= ? ORDER BY at LIMIT ?)`,
        now - keptMs,
        atOnce,
      ),
  };
}

/**
 * Deletes what is past its keeping, by the object's alarm and in batches: a read must not count on that, and minds the time
 * itself. Otherwise what nobody adds to any more would lie there for good.
 */
export class Expiries {
  readonly #db: Database;
  readonly #alarm: Pick<Alarm, "noLaterThan">;
  readonly #kinds: readonly ExpiringRows[];
  #isScheduled = false;

  constructor(db: Database, alarm: Pick<Alarm, "noLaterThan">, kinds: readonly ExpiringRows[]) {
    this.#db = db;
    this.#alarm = alarm;
    this.#kinds = kinds;
  }

  /** Call at every write of such a row, also one that is rolled back: it looks after the transaction. */
  changed(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (this.#db.ready) this.#wake(Date.now());
    });
  }

  /** The alarm's work: deletes a batch of each kind, and has the object wake for the next. */
  sweep(now: number): void {
    if (!this.#db.ready) return;
    this.#db.transaction(() => {
      for (const kind of this.#kinds) {
        const due = kind.firstDue();
        if (due !== null && due <= now) kind.deleteDue(now, expiredForgottenAtOnce);
      }
    });
    this.#wake(now);
  }

  #wake(now: number): void {
    this.#alarm.noLaterThan(nextSweepAt(earliest(this.#kinds.map((kind) => kind.firstDue())), now));
  }
}
