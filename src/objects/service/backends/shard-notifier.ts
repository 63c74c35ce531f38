import { fail, ok, type Result } from "../../../domain/result.ts";
import type { BackendRecord } from "../../contract.ts";
import type { FailureLog } from "../../failures/failure-log.ts";
import { backendInfo } from "../backend-info.ts";
import type { BackendRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { knownHistory } from "./lifecycle.ts";

/** What this object knows of a backend, for its shard; `backend_not_found` where it has ended or never was. */
export function knownBackend(
  state: ServiceState,
  backendId: string,
  found: (row: BackendRow) => void,
): Result<BackendRecord> {
  const row = state.db.ready ? state.backend(backendId) : undefined;
  if (!row) return fail("backend_not_found", `backend \`${backendId}\` not found`);
  found(row);
  return ok(backendRecord(state, row));
}

function backendRecord(state: ServiceState, row: BackendRow): BackendRecord {
  return { info: backendInfo(state.row(), row), history: knownHistory(state, row), baseUrl: row.base_url };
}

/** Notifies Backends shards of the steps that this object took itself, until each has received its own. */
export class ShardNotifier {
  readonly #state: ServiceState;
  readonly #failures: FailureLog;
  readonly #record: (record: BackendRecord) => Promise<Result<null>>;
  /** Backends with the status that their shard has received; the rows stay `untold`, since notifying again is harmless. */
  readonly #notified = new Map<string, string>();
  readonly #underWay = new Map<string, Promise<boolean>>();
  /** Backends whose shard could not be notified, the one that was tried longest ago first. */
  readonly #failed = new Set<string>();

  constructor(
    state: ServiceState,
    failures: FailureLog,
    record: (record: BackendRecord) => Promise<Result<null>>,
  ) {
    this.#state = state;
    this.#failures = failures;
    this.#record = record;
  }

  isNotified(row: Pick<BackendRow, "id" | "untold" | "status">): boolean {
    return row.untold === 0 || this.#notified.get(row.id) === row.status;
  }

  /** How many shards are being notified. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /**
   * The backends whose shards are to be notified next, at most so many: those that failed come last, by turns, so that a
   * shard which cannot be reached keeps no other waiting.
   */
  next(rows: readonly Pick<BackendRow, "id" | "untold" | "status">[], atMost: number): string[] {
    const due = rows.filter((row) => !this.isNotified(row)).map(({ id }) => id);
    if (due.length <= atMost) return due;
    const among = new Set(due);
    const again = [...this.#failed].filter((id) => among.has(id));
    return [...due.filter((id) => !this.#failed.has(id)), ...again].slice(0, atMost);
  }

  /** @returns whether the shard knows now; false is to be retried */
  async notify(backendId: string): Promise<boolean> {
    // One at a time, so that a shard receives the steps in their order.
    for (let other = this.#underWay.get(backendId); other; other = this.#underWay.get(backendId)) await other;
    const row = this.#state.backend(backendId);
    if (!row) {
      this.#notified.delete(backendId);
      this.#failed.delete(backendId);
    }
    if (!row || this.isNotified(row)) return true;
    const notifying = this.#send(row);
    this.#underWay.set(backendId, notifying);
    try {
      return await notifying;
    } finally {
      this.#underWay.delete(backendId);
    }
  }

  async #send(row: BackendRow): Promise<boolean> {
    const recorded = await this.#failures.attemptResult("record statuses in their shards", async () =>
      this.#record(backendRecord(this.#state, row)),
    );
    this.#failed.delete(row.id);
    if (recorded === null) {
      this.#failed.add(row.id);
      return false;
    }
    if (row.status === "terminated") {
      this.#state.sql.deleteBackend(row);
      this.#notified.delete(row.id);
    } else {
      this.#notified.set(row.id, row.status);
    }
    return true;
  }
}
