import { SortedRows } from "./sorted-rows.ts";
import type { KeptBackend } from "./sql/service.sql.ts";

/** What one environment's backends amount to. */
export interface EnvironmentSummary {
  /** How many are kept. */
  kept: number;
  /** How many of these live. */
  live: number;
  /** How many of the live ones run each digest. */
  digests: Map<string, number>;
  /** Those that hold keys, by key. */
  holders: Map<string, KeptBackend>;
  /** When the youngest was started since there were none, in milliseconds since the epoch. */
  lastSpawnAt: number;
}

type Position = Pick<KeptBackend, "fencing_token" | "deadline_at">;

const oldestFirst = (a: Position, b: Position) => a.fencing_token - b.fencing_token;
const soonestFirst = (a: Position, b: Position) =>
  (a.deadline_at ?? 0) - (b.deadline_at ?? 0) || a.fencing_token - b.fencing_token;

/** Rows of backends with what follows from them, changed together. */
export class KeptBackends {
  readonly byId = new Map<string, KeptBackend>();
  /** The oldest first. */
  readonly ordered: SortedRows<Position, KeptBackend>;
  /** Those that have a deadline, by it. */
  readonly deadlines: SortedRows<Position, KeptBackend>;
  /** Those that live, by what they run; the oldest first. */
  readonly byDigest = new Map<string, SortedRows<Position, KeptBackend>>();
  readonly summaries = new Map<string, EnvironmentSummary>();
  /** How many live. */
  live = 0;
  /** Those of which it is not written that their cluster has acknowledged them. */
  readonly unacknowledged = new Set<string>();
  /** Those with a status that their shard may not have received. */
  readonly untold = new Set<string>();

  constructor(rows: readonly KeptBackend[]) {
    this.ordered = new SortedRows(oldestFirst, rows);
    this.deadlines = new SortedRows(
      soonestFirst,
      rows.filter(({ deadline_at: at }) => at !== null),
    );
    for (const row of this.ordered.rows) this.#summarise(row);
  }

  put(row: KeptBackend): void {
    this.remove(row.id);
    this.ordered.add(row);
    if (row.deadline_at !== null) this.deadlines.add(row);
    this.#summarise(row);
  }

  remove(id: string): void {
    const row = this.byId.get(id);
    if (!row) return;
    this.byId.delete(id);
    this.ordered.remove(row);
    this.deadlines.remove(row);
    this.unacknowledged.delete(id);
    this.untold.delete(id);
    const summary = this.summaries.get(row.environment);
    if (!summary) return;
    summary.kept -= 1;
    if (summary.kept === 0) this.summaries.delete(row.environment);
    if (!isLive(row)) return;
    this.live -= 1;
    summary.live -= 1;
    addTo(summary.digests, row.digest, -1);
    this.byDigest.get(row.digest)?.remove(row);
    if (this.byDigest.get(row.digest)?.rows.length === 0) this.byDigest.delete(row.digest);
    if (row.key !== null) summary.holders.delete(row.key);
  }

  #summarise(row: KeptBackend): void {
    const { id, environment, key, digest, created_at: at } = row;
    this.byId.set(id, row);
    if (row.next_attempt_at !== null) this.unacknowledged.add(id);
    if (row.untold !== 0) this.untold.add(id);
    const summary = this.summaries.get(environment) ?? emptySummary();
    this.summaries.set(environment, summary);
    summary.kept += 1;
    summary.lastSpawnAt = Math.max(summary.lastSpawnAt, at);
    if (!isLive(row)) return;
    this.live += 1;
    summary.live += 1;
    addTo(summary.digests, digest, 1);
    const running = this.byDigest.get(digest);
    if (running) running.add(row);
    else this.byDigest.set(digest, new SortedRows(oldestFirst, [row]));
    if (key !== null) summary.holders.set(key, row);
  }
}

export function isLive({ status }: Pick<KeptBackend, "status">): boolean {
  return status !== "terminated";
}

function emptySummary(): EnvironmentSummary {
  return { kept: 0, live: 0, digests: new Map(), holders: new Map(), lastSpawnAt: 0 };
}

function addTo(counts: Map<string, number>, name: string, by: number): void {
  const count = (counts.get(name) ?? 0) + by;
  if (count > 0) counts.set(name, count);
  else counts.delete(name);
}
