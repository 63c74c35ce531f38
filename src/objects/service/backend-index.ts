import type { IndexedBackend } from "./sql/service.sql.ts";

/** What one environment's backends amount to. */
interface EnvironmentSummary {
  live: number;
  /** When the youngest that is kept was started, in milliseconds since the epoch. */
  lastSpawnAt: number;
}

/**
 * The backends that are kept, indexed in memory: by it the object's work, heartbeats and lists find the few whose rows
 * they need. An index of the table would be one more row written by each spawn. It is read whole once, after the object
 * has awoken, and from then on by its rows that were written.
 */
export class BackendIndex {
  readonly #read: (ids: readonly string[] | null) => IndexedBackend[];
  /** By fencing token. Null: to be read whole. */
  #rows: readonly IndexedBackend[] | null = null;
  /** Those that were written since. */
  readonly #changed = new Set<string>();
  /** Those that were written since the transaction began. */
  readonly #uncommitted = new Set<string>();
  #summaries: Map<string, EnvironmentSummary> | null = null;
  /** When environments were last spawned into, as far as that is new. */
  readonly #spawned = new Map<string, number>();
  /** What was taken of that since the transaction began. */
  #taken: ReadonlyMap<string, number> = new Map();

  /** @param read reads those of these ids that are kept; of null, all of them */
  constructor(read: (ids: readonly string[] | null) => IndexedBackend[]) {
    this.#read = read;
  }

  /** These have been written. */
  changed(ids: readonly string[]): void {
    for (const id of ids) {
      this.#uncommitted.add(id);
      if (this.#rows !== null) this.#changed.add(id);
    }
  }

  /** A transaction begins. */
  begun(): void {
    this.#uncommitted.clear();
    this.#taken = new Map();
  }

  /** The transaction is rolled back. */
  rolledBack(): void {
    this.changed([...this.#uncommitted]);
    for (const [environment, at] of this.#taken) this.#noteSpawn(environment, at);
  }

  /** All that are kept, the oldest first: also those that have ended, and whose shard has yet to receive that. */
  all(): readonly IndexedBackend[] {
    if (this.#rows !== null && this.#changed.size === 0) return this.#rows;
    const known = this.#rows ?? [];
    const read = this.#read(this.#rows && [...this.#changed]);
    const unchanged = known.filter(({ id }) => !this.#changed.has(id));
    const knownBefore = new Set(known.flatMap(({ id }) => (this.#changed.has(id) ? [id] : [])));
    for (const { id, environment, created_at: at } of read) {
      if (!knownBefore.has(id)) this.#noteSpawn(environment, at);
    }
    this.#changed.clear();
    this.#summaries = null;
    this.#rows = [...unchanged, ...read].sort((a, b) => a.fencing_token - b.fencing_token);
    return this.#rows;
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
    this.#summaries ??= summariesOf(rows);
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
