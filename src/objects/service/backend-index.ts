import { RowIndex } from "./row-index.ts";
import type { IndexedBackend } from "./sql/service.sql.ts";

/** What one environment's backends amount to. */
interface EnvironmentSummary {
  live: number;
  /** When the youngest that is kept was started, in milliseconds since the epoch. */
  lastSpawnAt: number;
}

/**
 * The backends that are kept, indexed in memory: by it the object's work, heartbeats and lists find the few whose rows
 * they need.
 */
export class BackendIndex {
  readonly #index: RowIndex<IndexedBackend>;
  /** The rows that the summaries are of. */
  #summarised: readonly IndexedBackend[] = [];
  #summaries: Map<string, EnvironmentSummary> | null = null;
  /** When environments were last spawned into, as far as that is new. */
  readonly #spawned = new Map<string, number>();
  /** What was taken of that since the transaction began. */
  #taken: ReadonlyMap<string, number> = new Map();

  /** @param read reads those of these ids that are kept; of null, all of them */
  constructor(read: (ids: readonly string[] | null) => IndexedBackend[]) {
    this.#index = new RowIndex(read, (a, b) => a.fencing_token - b.fencing_token);
  }

  /** These have been written. */
  changed(ids: readonly string[]): void {
    this.#index.changed(ids);
  }

  /** A transaction begins. */
  begun(): void {
    this.#index.begun();
    this.#taken = new Map();
  }

  /** The transaction is rolled back. */
  rolledBack(): void {
    this.#index.rolledBack();
    for (const [environment, at] of this.#taken) this.#noteSpawn(environment, at);
  }

  /** All that are kept, the oldest first: also those that have ended, and whose shard has yet to receive that. */
  all(): readonly IndexedBackend[] {
    return this.#index.all(({ environment, created_at: at }) => this.#noteSpawn(environment, at));
  }

  /** Those that have not ended, the oldest first. */
  live(): IndexedBackend[] {
    return this.all().filter(({ status }) => status !== "terminated");
  }

  /** How many backends of an environment live. */
  liveIn(environment: string): number {
    return this.#summaryOf(environment)?.live ?? 0;
  }

  /** When the youngest backend of an environment that is kept was started; null where there is none. */
  lastSpawnIn(environment: string): number | null {
    return this.#summaryOf(environment)?.lastSpawnAt ?? null;
  }

  /** When environments were last spawned into, of what has not been taken before. */
  takeSpawned(): Map<string, number> {
    this.all();
    const spawned = new Map(this.#spawned);
    this.#spawned.clear();
    this.#taken = spawned;
    return spawned;
  }

  #noteSpawn(environment: string, at: number): void {
    this.#spawned.set(environment, Math.max(at, this.#spawned.get(environment) ?? 0));
  }

  #summaryOf(environment: string): EnvironmentSummary | undefined {
    const rows = this.all();
    if (this.#summaries === null || this.#summarised !== rows) {
      this.#summaries = summariesOf(rows);
      this.#summarised = rows;
    }
    return this.#summaries.get(environment);
  }
}

function summariesOf(rows: readonly IndexedBackend[]): Map<string, EnvironmentSummary> {
  const summaries = new Map<string, EnvironmentSummary>();
  for (const { environment, status, created_at: at } of rows) {
    const summary = summaries.get(environment) ?? { live: 0, lastSpawnAt: at };
    summary.live += status === "terminated" ? 0 : 1;
    summary.lastSpawnAt = Math.max(summary.lastSpawnAt, at);
    summaries.set(environment, summary);
  }
  return summaries;
}
