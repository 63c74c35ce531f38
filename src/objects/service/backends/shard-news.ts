import { fail, ok, type Result } from "../../../domain/result.ts";
import type { BackendRecord } from "../../contract.ts";
import type { FailureLog } from "../../failure-log.ts";
import type { BackendRow } from "../sql/service.sql.ts";
import { backendInfo, type ServiceState } from "../state.ts";
import { coarseHistory } from "./lifecycle.ts";

/** What this object knows of a backend, for its shard; `backend_not_found` where it has ended or never was. */
export function knownBackend(
  state: ServiceState,
  backendId: string,
  found: (row: BackendRow) => void,
): Result<BackendRecord> {
  const row = state.db.ready ? state.sql.backend(backendId) : undefined;
  if (!row) return fail("backend_not_found", `backend \`${backendId}\` not found`);
  found(row);
  return ok(backendRecord(state, row));
}

function backendRecord(state: ServiceState, row: BackendRow): BackendRecord {
  return { info: backendInfo(state.row(), row), history: coarseHistory(row), baseUrl: row.base_url };
}

/** Tells Backends shards of the steps that this object took itself, until each has heard of its own. */
export class ShardNews {
  readonly #state: ServiceState;
  readonly #failures: FailureLog;
  readonly #record: (record: BackendRecord) => Promise<Result<null>>;
  /** Backend and status that were told, for rows whose mark is not taken off: telling again is harmless. */
  readonly #told = new Map<string, string>();
  readonly #telling = new Map<string, Promise<boolean>>();

  constructor(
    state: ServiceState,
    failures: FailureLog,
    record: (record: BackendRecord) => Promise<Result<null>>,
  ) {
    this.#state = state;
    this.#failures = failures;
    this.#record = record;
  }

  isTold(row: Pick<BackendRow, "id" | "untold" | "status">): boolean {
    return row.untold === 0 || this.#told.get(row.id) === row.status;
  }

  /** @returns whether the shard knows now; false is to be tried again */
  async tell(backendId: string): Promise<boolean> {
    // One at a time, so that a shard hears of the steps in their order.
    for (let running = this.#telling.get(backendId); running; running = this.#telling.get(backendId))
      await running;
    const row = this.#state.sql.backend(backendId);
    if (!row || this.isTold(row)) return true;
    const telling = this.#tellOf(row);
    this.#telling.set(backendId, telling);
    try {
      return await telling;
    } finally {
      this.#telling.delete(backendId);
    }
  }

  async #tellOf(row: BackendRow): Promise<boolean> {
    const recorded = await this.#failures.attemptResult("record statuses in their shards", async () =>
      this.#record(backendRecord(this.#state, row)),
    );
    if (recorded === null) return false;
    if (row.status === "terminated") {
      this.#state.sql.deleteBackend(row);
      this.#told.delete(row.id);
    } else {
      this.#told.set(row.id, row.status);
    }
    return true;
  }

  forget(backendId: string): void {
    this.#told.delete(backendId);
  }
}
