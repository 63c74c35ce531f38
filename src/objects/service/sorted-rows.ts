/**
 * Rows in order. To put one in or take one out costs a binary search and the moving of pointers: little where most come last.
 * @template Position what the order of a row depends on
 */
export class SortedRows<Position, Row extends Position> {
  readonly #order: (a: Position, b: Position) => number;
  readonly #rows: Row[];

  /** @param order as for `sort`; no two rows may be equal in it */
  constructor(order: (a: Position, b: Position) => number, rows: readonly Row[]) {
    this.#order = order;
    this.#rows = rows.toSorted(order);
  }

  /** The rows themselves, in order: not to be kept over a change. */
  get rows(): readonly Row[] {
    return this.#rows;
  }

  add(row: Row): void {
    this.#rows.splice(this.countBefore(row), 0, row);
  }

  /** Takes out the row at a position, if there is one. */
  remove(position: Position): void {
    const at = this.countBefore(position);
    const found = this.#rows[at];
    if (found !== undefined && this.#order(found, position) === 0) this.#rows.splice(at, 1);
  }

  /** How many rows come before a position. */
  countBefore(position: Position): number {
    const last = this.#rows.at(-1);
    if (last === undefined || this.#order(last, position) < 0) return this.#rows.length;
    let from = 0;
    let to = this.#rows.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      const row = this.#rows[middle];
      if (row !== undefined && this.#order(row, position) < 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
