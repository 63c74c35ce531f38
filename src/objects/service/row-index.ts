/**
 * A table's rows in memory, so that no piece of work reads more of the table than what was written since the last one. It
 * is read whole once, after the object has awoken. An index of the table would be one more row written by each write.
 */
export class RowIndex<Row extends { id: string }> {
  readonly #read: (ids: readonly string[] | null) => Row[];
  readonly #order: (a: Row, b: Row) => number;
  /** Null: to be read whole. */
  #rows: readonly Row[] | null = null;
  /** Those that were written since. */
  readonly #changed = new Set<string>();
  /** Those that were written since the transaction began. */
  readonly #uncommitted = new Set<string>();

  /** @param read reads those of these ids that are kept; of null, all of them @param order that of the rows, as for `sort` */
  constructor(read: (ids: readonly string[] | null) => Row[], order: (a: Row, b: Row) => number) {
    this.#read = read;
    this.#order = order;
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
  }

  /** The transaction is rolled back. */
  rolledBack(): void {
    this.changed([...this.#uncommitted]);
  }

  /** All rows, in order: the same array until something is written. */
  all(): readonly Row[] {
    if (this.#rows !== null && this.#changed.size === 0) return this.#rows;
    const known = this.#rows ?? [];
    const read = this.#read(this.#rows && [...this.#changed]);
    const unchanged = known.filter(({ id }) => !this.#changed.has(id));
    this.#changed.clear();
    this.#rows = [...unchanged, ...read].sort(this.#order);
    return this.#rows;
  }
}
