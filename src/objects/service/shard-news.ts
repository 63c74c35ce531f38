import type { StatusReport } from "../../domain/backend-status.ts";
import type { BackendRecord } from "../contract.ts";
import { coarseHistory } from "./lifecycle.ts";
import type { BackendRow } from "./service.sql.ts";
import { backendInfo, type ServiceState } from "./state.ts";

/** What this object knows of a backend, for its shard. */
export function backendRecord(state: ServiceState, row: BackendRow): BackendRecord {
  return { info: backendInfo(state.row(), row), history: coarseHistory(row), baseUrl: row.base_url };
}

/** Tells Backends shards of the steps that this object took itself, until each has heard of its own. */
export class ShardNews {
  readonly #state: ServiceState;
  readonly #record: (record: BackendRecord, report: StatusReport) => Promise<unknown>;
  /** Backend and status that were told, for rows whose mark is not taken off: telling again is harmless. */
  readonly #told = new Map<string, string>();
  readonly #telling = new Set<string>();

  constructor(
    state: ServiceState,
    record: (record: BackendRecord, report: StatusReport) => Promise<unknown>,
  ) {
    this.#state = state;
    this.#record = record;
  }

  isTold(row: Pick<BackendRow, "id" | "untold" | "status">): boolean {
    return row.untold === 0 || this.#told.get(row.id) === row.status;
  }

  /** @returns whether the shard knows now; false is to be tried again */
  async tell(backendId: string): Promise<boolean> {
    const row = this.#state.sql.backend(backendId);
    if (!row || this.isTold(row) || this.#telling.has(backendId)) return true;
    this.#telling.add(backendId);
    try {
      await this.#record(backendRecord(this.#state, row), {
        status: row.status,
        ...(row.reason === null ? {} : { termination_reason: row.reason }),
      });
    } catch {
      return false;
    } finally {
      this.#telling.delete(backendId);
    }
    if (row.status === "terminated") {
      this.#state.sql.deleteBackend(backendId);
      this.#told.delete(backendId);
    } else {
      this.#told.set(backendId, row.status);
    }
    return true;
  }

  forget(backendId: string): void {
    this.#told.delete(backendId);
  }
}
