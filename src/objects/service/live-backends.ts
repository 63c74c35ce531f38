import { isLive, KeptBackends } from "./kept-backends.ts";
import type { KeptBackend } from "./sql/service.sql.ts";

/** What statements that write backends do to them. */
export interface BackendsMemory {
  /** The table has a row that it had not. */
  added(row: KeptBackend): void;
  /** The rows of these that there are have other values in these columns. */
  updated(ids: readonly string[], columns: Partial<KeptBackend>): void;
  /** The table has a row no more. */
  removed(id: string): void;
}

/**
 * The rows of the backends that are kept, in memory: of those that live, and of those that have ended and whose shard has yet to
 * receive that. They are read whole once, after the object has awoken; from then on each statement that writes them changes them
 * here too, and what a transaction that is rolled back may have written is read again. A question costs what its answer is long,
 * however many backends there are.
 */
export class LiveBackends implements BackendsMemory {
  readonly #read: (ids: readonly string[] | null) => KeptBackend[];
  /** Null: to be read whole. */
  #kept: KeptBackends | null = null;
  /** Those that were written since the transaction began. */
  readonly #uncommitted = new Set<string>();
  /** Those to be read again. */
  readonly #doubtful = new Set<string>();
  /** When environments were last spawned into, as far as that was not taken. */
  readonly #spawned = new Map<string, number>();
  #newestSpawnAt = 0;
  /** The same of what was added since the transaction began. */
  #added: (readonly [environment: string, at: number])[] = [];
  /** What was taken since then. */
  #taken: ReadonlyMap<string, number> = new Map();

  /** @param read reads those of these ids that are kept; of null, all of them */
  constructor(read: (ids: readonly string[] | null) => KeptBackend[]) {
    this.#read = read;
  }

  added(row: KeptBackend): void {
    this.#uncommitted.add(row.id);
    this.#added.push([row.environment, row.created_at]);
    this.#kept?.put(row);
  }

  updated(ids: readonly string[], columns: Partial<KeptBackend>): void {
    for (const id of ids) {
      this.#uncommitted.add(id);
      const row = this.#kept?.byId.get(id);
      if (row) this.#kept?.put({ ...row, ...columns });
    }
  }

  removed(id: string): void {
    this.#uncommitted.add(id);
    this.#kept?.remove(id);
  }

  /** A transaction begins. */
  begun(): void {
    this.#uncommitted.clear();
    this.#noteSpawns(this.#added);
    this.#added = [];
    this.#taken = new Map();
  }

  /** The transaction is rolled back, or one that is in it. */
  rolledBack(): void {
    for (const id of this.#uncommitted) this.#doubtful.add(id);
    this.#added = [];
    this.#noteSpawns(this.#taken);
  }

  get(id: string): KeptBackend | undefined {
    return this.#current().byId.get(id);
  }

  /** The one that holds a key of an environment (invariant 1). */
  holder(environment: string, key: string): KeptBackend | undefined {
    return this.#current().summaries.get(environment)?.holders.get(key);
  }

  /** All that are kept, the oldest first: also those that have ended, and whose shard has yet to receive that. */
  all(): KeptBackend[] {
    return [...this.#current().ordered.rows];
  }

  /** Those that have not ended, the oldest first. */
  live(): KeptBackend[] {
    return this.#current().ordered.rows.filter(isLive);
  }

  /** Of those that have not ended and match, the newest below a fencing token, newest first. */
  before(
    fencingToken: number,
    atMost: number,
    matches: (backend: KeptBackend) => boolean = () => true,
  ): KeptBackend[] {
    const { ordered } = this.#current();
    const from = ordered.countBefore({ fencing_token: fencingToken, deadline_at: null });
    return nearest(ordered.rows, from - 1, -1, atMost, (row) => isLive(row) && matches(row));
  }

  /** Of those that have not ended and match, the oldest above a fencing token, oldest first. */
  after(fencingToken: number, atMost: number, matches: (backend: KeptBackend) => boolean): KeptBackend[] {
    const { ordered } = this.#current();
    const from = ordered.countBefore({ fencing_token: fencingToken + 1, deadline_at: null });
    return nearest(ordered.rows, from, 1, atMost, (row) => isLive(row) && matches(row));
  }

  /** Of those that have not ended and run a digest, the newest that match, newest first. */
  running(digest: string, atMost: number, matches: (backend: KeptBackend) => boolean): KeptBackend[] {
    const rows = this.#current().byDigest.get(digest)?.rows ?? [];
    return nearest(rows, rows.length - 1, -1, atMost, matches);
  }

  /** The greatest fencing token of those that are kept; 0 where there are none. */
  newestFencingToken(): number {
    return this.#current().ordered.rows.at(-1)?.fencing_token ?? 0;
  }

  /** How many are kept. */
  get size(): number {
    return this.#current().byId.size;
  }

  /** How many live in an environment; undefined: in all. */
  liveIn(environment: string | undefined): number {
    const { live, summaries } = this.#current();
    return environment === undefined ? live : (summaries.get(environment)?.live ?? 0);
  }

  /** How many live in each environment that has any. */
  liveByEnvironment(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const [name, { live }] of this.#current().summaries) if (live > 0) counts.set(name, live);
    return counts;
  }

  /** Each digest that an environment's live backends run with how many of them do, the most common first. */
  commonDigestsIn(environment: string): [digest: string, count: number][] {
    return [...this.digestsIn(environment)].sort(
      ([a, countOfA], [b, countOfB]) => countOfB - countOfA || (a < b ? -1 : 1),
    );
  }

  /** How many of an environment's live backends run each digest. */
  digestsIn(environment: string): ReadonlyMap<string, number> {
    return this.#current().summaries.get(environment)?.digests ?? new Map();
  }

  /** When an environment was last spawned into, as far as its backends in memory say; null where there were none. */
  lastSpawnIn(environment: string): number | null {
    return this.#current().summaries.get(environment)?.lastSpawnAt ?? null;
  }

  /** When the youngest backend was started of those that were here since the object awoke; 0 where there were none. */
  newestSpawnAt(): number {
    this.#current();
    return this.#added.reduce((newest, [, at]) => Math.max(newest, at), this.#newestSpawnAt);
  }

  /** Those whose deadline has passed, the one that passed first in front. */
  due(now: number): KeptBackend[] {
    const { deadlines } = this.#current();
    return deadlines.rows.slice(0, deadlines.countBefore({ deadline_at: now + 1, fencing_token: 0 }));
  }

  /** The deadline that comes next, in milliseconds since the epoch; null where there is none. */
  nextDeadline(): number | null {
    return this.#current().deadlines.rows[0]?.deadline_at ?? null;
  }

  /** Those of which it is not written that their cluster has acknowledged them. */
  unacknowledged(): KeptBackend[] {
    return this.#rowsOf(this.#current().unacknowledged);
  }

  /** Those with a status that their shard may not have received. */
  untold(): KeptBackend[] {
    return this.#rowsOf(this.#current().untold);
  }

  /** When environments were last spawned into, of what was not taken before. */
  takeSpawned(): Map<string, number> {
    this.#current();
    const spawned = new Map(this.#spawned);
    this.#spawned.clear();
    this.#taken = spawned;
    return spawned;
  }

  #rowsOf(ids: ReadonlySet<string>): KeptBackend[] {
    const { byId } = this.#current();
    return Array.from(ids, (id) => byId.get(id)).filter((row) => row !== undefined);
  }

  #current(): KeptBackends {
    if (this.#kept === null) {
      this.#kept = new KeptBackends(this.#read(null));
      this.#noteSpawns(Array.from(this.#kept.byId.values(), (row) => [row.environment, row.created_at]));
    } else if (this.#doubtful.size > 0) {
      const doubtful = [...this.#doubtful];
      const certain = [...this.#kept.byId.values()].filter(({ id }) => !this.#doubtful.has(id));
      this.#kept = new KeptBackends([...certain, ...this.#read(doubtful)]);
    }
    this.#doubtful.clear();
    return this.#kept;
  }

  #noteSpawns(spawns: Iterable<readonly [environment: string, at: number]>): void {
    for (const [environment, at] of spawns) {
      this.#spawned.set(environment, Math.max(at, this.#spawned.get(environment) ?? 0));
      this.#newestSpawnAt = Math.max(at, this.#newestSpawnAt);
    }
  }
}

/** Of rows that match, the first from an index on, in steps of 1 or -1: no more are looked at than it takes to find so many. */
function nearest(
  rows: readonly KeptBackend[],
  from: number,
  step: 1 | -1,
  atMost: number,
  matches: (backend: KeptBackend) => boolean,
): KeptBackend[] {
  const found: KeptBackend[] = [];
  for (let i = from; found.length < atMost; i += step) {
    const row = rows[i];
    if (row === undefined) break;
    if (matches(row)) found.push(row);
  }
  return found;
}
