import { SortedRows } from "./sorted-rows.ts";

/**
 * A table's rows in memory, so that no piece of work reads more of the table than what was written since the last one. It
 * is read whole once, after the object has awoken. An index of the table would be one more row written by each write.
 */
export class RowIndex<Row extends { id: string }> {
  readonly #read: (ids: readonly string[] | null) => Row[];
  readonly #order: (a: Row, b: Row) => number;
  /** Null: to be read whole. */
  #rows: SortedRows<Row, Row> | null = null;
  readonly #byId = new Map<string, Row>();
  /** Those that were written since. */
  readonly #changed = new Set<string>();
  /** Those that were written since the transaction began. */
  readonly #uncommitted = new Set<string>();

  /**
   * @param read reads those of these ids that are kept; of null, all of them
   * @param order that of the rows, as for `sort`; those that are equal in it come by their ids
   */
  constructor(read: (ids: readonly string[] | null) => Row[], order: (a: Row, b: Row) => number) {
    this.#read = read;
    this.#order = (a, b) => order(a, b) || (a.id < b.id ? -1 : Number(a.id > b.id));
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

  /** All rows, in order: not to be kept over a write. */
  all(): readonly Row[] {
    if (this.#rows === null) return this.#load().rows;
    if (this.#changed.size > 0) this.#refresh(this.#rows);
    return this.#rows.rows;
  }

  #load(): SortedRows<Row, Row> {
    const read = this.#read(null);
    this.#byId.clear();
    for (const row of read) this.#byId.set(row.id, row);
    this.#rows = new SortedRows(this.#order, read);
    return this.#rows;
  }

  #refresh(rows: SortedRows<Row, Row>): void {
    const changed = [...this.#changed];
    const read = this.#read(changed);
    this.#changed.clear();
    for (const id of changed) {
      const before = this.#byId.get(id);
      if (before) rows.remove(before);
      this.#byId.delete(id);
    }
    for (const row of read) {
      this.#byId.set(row.id, row);
      rows.add(row);
    }
  }
}
