import type { EndedFrom } from "../../domain/backends/ended-pages.ts";
import { shardBackendsKnown } from "../../domain/limits.ts";
import { Database } from "../database.ts";
import type { BackendRecord } from "../service/contract.ts";
import { backendsMigrations, backendsSql } from "./backends.sql.ts";
import { KnownBackends } from "./known-backends.ts";

/** A shard's storage, and what it knows of its service while it is awake. */
export class BackendsState {
  readonly db: Database;
  readonly sql: ReturnType<typeof backendsSql>;
  /** Those that the Service object was seen to know since this object awoke, with what it has of them and no row here. */
  readonly known = new KnownBackends(shardBackendsKnown);

  constructor(storage: DurableObjectStorage) {
    this.db = new Database(storage, backendsMigrations);
    this.sql = backendsSql(this.db);
  }

  /** A backend's row here: of one that lives it may lack what the Service object has. */
  stored(backendId: string): BackendRecord | undefined {
    const row = this.db.ready ? this.sql.backend(backendId) : undefined;
    return row && toRecord(row);
  }

  /** @param endedAt milliseconds since the epoch; null while it lives */
  put({ info, history, baseUrl }: BackendRecord, endedAt: number | null): void {
    if (!this.db.ready) this.db.migrate();
    this.sql.putBackend({
      id: info.id,
      info: JSON.stringify(info),
      history: JSON.stringify(history),
      base_url: baseUrl,
      ended_at: endedAt,
    });
  }

  /** Ended ones beyond a position, the nearest first. */
  endedBeyond(from: Pick<EndedFrom, "key" | "leadsBack">, limit: number): BackendRecord[] {
    return this.db.ready ? this.sql.endedBeyond(from, limit).map(toRecord) : [];
  }
}

function toRecord(row: { info: string; history: string; base_url: string | null }): BackendRecord {
  return { info: JSON.parse(row.info), history: JSON.parse(row.history), baseUrl: row.base_url };
}
