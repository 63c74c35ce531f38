import type { Scope } from "../../domain/credentials/access.ts";
import type { EnvironmentSnapshot } from "../../domain/pins/connect.ts";
import type { EnvironmentSettings } from "../../domain/pins/environments.ts";
import { storedPin } from "../../domain/pins/pin.ts";
import type { EnvironmentRow } from "./sql/service.sql.ts";

/** Which environments a list is of. */
export interface EnvironmentFilter {
  /** What their names contain; undefined: any. */
  search?: string | undefined;
  /** Their names; undefined: all. */
  allowed?: Scope["environments"];
}

/**
 * The environments of a service in memory, so that no question about them reads more rows than were written since the
 * last one. They are read whole once, after the object has awoken. Rows that it gives are not to be changed.
 */
export class EnvironmentIndex {
  readonly #read: (names: readonly string[] | null) => EnvironmentRow[];
  /** The oldest first; null: to be read whole. */
  #rows: EnvironmentRow[] | null = null;
  readonly #byName = new Map<string, EnvironmentRow>();
  readonly #byImage = new Map<string, Set<string>>();
  readonly #byDigest = new Map<string, Set<string>>();
  /** By rows, each of which another one takes the place of when it changes. */
  readonly #snapshots = new WeakMap<EnvironmentRow, EnvironmentSnapshot>();
  /** Names of those that were written since. */
  readonly #changed = new Set<string>();
  /** Names of those that were written since the transaction began; `isAllUncommitted` where that may be any. */
  readonly #uncommitted = new Set<string>();
  #isAllUncommitted = false;

  /** Differs from before where any may have changed. */
  changes = 0;

  /** @param read reads those of these names that there are, the oldest first; of null, all of them */
  constructor(read: (names: readonly string[] | null) => EnvironmentRow[]) {
    this.#read = read;
  }

  /** This one has been written; null: all of them. @param columns all that has changed of it, where that is known */
  changed(name: string | null, columns?: Partial<EnvironmentRow>): void {
    this.changes += 1;
    if (name === null) {
      this.#isAllUncommitted = true;
      this.#rows = null;
      return;
    }
    this.#uncommitted.add(name);
    if (this.#rows === null) return;
    const before = columns && !this.#changed.has(name) ? this.#byName.get(name) : undefined;
    if (!before) {
      this.#changed.add(name);
      return;
    }
    this.#remove(this.#rows, before);
    this.#insert(this.#rows, { ...before, ...columns });
  }

  /** A transaction begins. */
  begun(): void {
    this.#uncommitted.clear();
    this.#isAllUncommitted = false;
  }

  /** The transaction is rolled back. */
  rolledBack(): void {
    if (this.#isAllUncommitted) this.changed(null);
    for (const name of [...this.#uncommitted]) this.changed(name);
  }

  /** The oldest first. */
  all(): readonly EnvironmentRow[] {
    if (this.#rows === null) return this.#load();
    if (this.#changed.size > 0) this.#refresh(this.#rows);
    return this.#rows;
  }

  /**
   * Those that a token reaches, the oldest first.
   * @param allowed those that it is narrowed to; undefined means all
   * @param between their numbers, both of which are left out
   */
  reached(
    allowed: Scope["environments"],
    { above = 0, below = Number.MAX_SAFE_INTEGER }: { above?: number; below?: number } = {},
  ): readonly EnvironmentRow[] {
    const rows = this.all();
    const reached =
      allowed === undefined
        ? rows
        : sorted([...new Set(allowed)].flatMap((name) => this.#byName.get(name) ?? []));
    return reached.slice(placeOf(reached, above + 1), placeOf(reached, below));
  }

  /**
   * The nearest beyond a number, in its list's direction.
   * @param isAscending whether those come next whose numbers are greater
   */
  beyond(
    { key }: { key: number },
    isAscending: boolean,
    { search = "", allowed }: EnvironmentFilter,
    atMost: number,
  ): EnvironmentRow[] {
    const rows = this.reached(allowed, isAscending ? { above: key } : { below: key });
    const found: EnvironmentRow[] = [];
    for (let i = 0; i < rows.length && found.length < atMost; i += 1) {
      const row = rows[isAscending ? i : rows.length - 1 - i];
      if (row?.name.includes(search)) found.push(row);
    }
    return found;
  }

  get(name: string): EnvironmentRow | undefined {
    this.all();
    return this.#byName.get(name);
  }

  /** An environment as decisions see it. */
  snapshot(name: string): EnvironmentSnapshot | undefined {
    const row = this.get(name);
    if (!row) return undefined;
    const known = this.#snapshots.get(row) ?? environmentSnapshot(row);
    this.#snapshots.set(row, known);
    return known;
  }

  withSeq(seq: number): EnvironmentRow | undefined {
    const rows = this.all();
    const row = rows[placeOf(rows, seq)];
    return row?.seq === seq ? row : undefined;
  }

  /** Those that are pinned to a tag, or a digest; the oldest first. */
  on(image: string): EnvironmentRow[] {
    return this.#named(this.#byImage, image);
  }

  /** Those that resolve to a digest now, the oldest first. */
  resolvingTo(digest: string): EnvironmentRow[] {
    return this.#named(this.#byDigest, digest);
  }

  #named(names: ReadonlyMap<string, ReadonlySet<string>>, by: string): EnvironmentRow[] {
    this.all();
    return sorted([...(names.get(by) ?? [])].flatMap((name) => this.#byName.get(name) ?? []));
  }

  #load(): readonly EnvironmentRow[] {
    for (const index of [this.#byName, this.#byImage, this.#byDigest, this.#changed]) index.clear();
    const rows = this.#read(null);
    for (const row of rows) this.#add(row);
    this.#rows = rows;
    return rows;
  }

  #refresh(rows: EnvironmentRow[]): void {
    const names = [...this.#changed];
    const read = this.#read(names);
    this.#changed.clear();
    for (const name of names) {
      const before = this.#byName.get(name);
      if (before) this.#remove(rows, before);
    }
    for (const row of read) this.#insert(rows, row);
  }

  #insert(rows: EnvironmentRow[], row: EnvironmentRow): void {
    this.#add(row);
    rows.splice(placeOf(rows, row.seq), 0, row);
  }

  #add(row: EnvironmentRow): void {
    this.#byName.set(row.name, row);
    addTo(this.#byImage, row.image, row.name);
    if (row.digest !== null) addTo(this.#byDigest, row.digest, row.name);
  }

  #remove(rows: EnvironmentRow[], row: EnvironmentRow): void {
    rows.splice(placeOf(rows, row.seq), 1);
    this.#byName.delete(row.name);
    removeFrom(this.#byImage, row.image, row.name);
    if (row.digest !== null) removeFrom(this.#byDigest, row.digest, row.name);
  }
}

/** By rows, as snapshots are: a change asks for them several times. */
const parsedSettings = new WeakMap<Pick<EnvironmentRow, "settings">, EnvironmentSettings>();

/** The settings that an environment's row has. They are not to be changed. */
export function settingsOf(row: Pick<EnvironmentRow, "settings">): EnvironmentSettings {
  const known = parsedSettings.get(row);
  if (known) return known;
  const settings: EnvironmentSettings = JSON.parse(row.settings);
  parsedSettings.set(row, settings);
  return settings;
}

function environmentSnapshot(row: EnvironmentRow): EnvironmentSnapshot {
  return {
    name: row.name,
    pin: storedPin(row.image),
    digest: row.digest,
    revision: row.revision,
    stay: row.stay,
    cluster: row.cluster,
    settings: settingsOf(row),
  };
}

function sorted(rows: EnvironmentRow[]): EnvironmentRow[] {
  return rows.sort((a, b) => a.seq - b.seq);
}

/** How many of these rows, which are in their order, come before this number. */
function placeOf(rows: readonly EnvironmentRow[], seq: number): number {
  let from = 0;
  let to = rows.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((rows[middle]?.seq ?? 0) < seq) from = middle + 1;
    else to = middle;
  }
  return from;
}

function addTo(index: Map<string, Set<string>>, key: string, name: string): void {
  const names = index.get(key);
  if (names) names.add(name);
  else index.set(key, new Set([name]));
}

function removeFrom(index: Map<string, Set<string>>, key: string, name: string): void {
  const names = index.get(key);
  names?.delete(name);
  if (names?.size === 0) index.delete(key);
}
