import type { EnvironmentRow } from "../sql/service.sql.ts";

type Moved = Pick<EnvironmentRow, "seq" | "moved_at">;

export interface AnnouncementsPorts<Row extends Moved> {
  environments: { all(): readonly Row[]; withSeq(seq: number): Row | undefined };
  /** The last move up to which all are announced, as far as it is written; 0 where the service was never set up. */
  written(): number;
  write(until: number): void;
}

/**
 * Which environments were moved to another digest without their cluster having been notified. It costs a pin no row: an environment's row has
 * the number of its last move, and the service's the one up to which all are announced, written once for many. What lies between
 * them after an awakening is announced again, under the same id.
 */
export class Announcements<Row extends Moved = EnvironmentRow> {
  readonly #ports: AnnouncementsPorts<Row>;
  /** Numbers of environments that were moved, in turn, also by what was rolled back; null: to be looked for. */
  #moved: Set<number> | null = null;
  /** Up to which move of each environment it is announced, beyond what is written. */
  readonly #announced = new Map<number, number>();
  /** The last move that there was. */
  #last = 0;

  constructor(ports: AnnouncementsPorts<Row>) {
    this.#ports = ports;
  }

  /**
   * The number of a move: greater than that of every other before it. It is the time, where that is so.
   * @param now milliseconds since the epoch
   */
  nextMove(now: number): number {
    this.#look();
    this.#last = Math.max(now, this.#last + 1);
    return this.#last;
  }

  /** An environment was moved, in a transaction that may still be rolled back. @param seq its number */
  moved(seq: number): void {
    this.#look().add(seq);
  }

  /** Those that are to be announced, about in the order of their moves. */
  waiting(): Row[] {
    const moved = this.#look();
    return [...moved].flatMap((seq) => {
      const row = this.waits(seq);
      if (!row) moved.delete(seq);
      return row ?? [];
    });
  }

  /** An environment as it is to be announced; undefined where it is not. */
  waits(seq: number): Row | undefined {
    const row = this.#ports.environments.withSeq(seq);
    const announced = Math.max(this.#announced.get(seq) ?? 0, this.#ports.written());
    return row && row.moved_at > announced ? row : undefined;
  }

  /** A move needs no more announcement. What has moved its environment since does. */
  done({ seq, moved_at }: Moved): void {
    this.#announced.set(seq, moved_at);
    if (!this.waits(seq)) this.#moved?.delete(seq);
  }

  /** Whether none is to be announced. */
  get isDone(): boolean {
    return this.#moved?.size === 0;
  }

  /** Writes up to where all is announced, where that is further than before. */
  write(): void {
    const waiting = this.waiting().map(({ moved_at }) => moved_at - 1);
    const until = Math.min(this.#last, ...waiting);
    if (until <= this.#ports.written()) return;
    this.#ports.write(until);
    for (const [seq, announced] of this.#announced) if (announced <= until) this.#announced.delete(seq);
  }

  #look(): Set<number> {
    if (this.#moved) return this.#moved;
    const written = this.#ports.written();
    const rows = this.#ports.environments.all();
    const moved = rows.filter((row) => row.moved_at > written).sort((a, b) => a.moved_at - b.moved_at);
    this.#last = moved.at(-1)?.moved_at ?? written;
    this.#moved = new Set(moved.map(({ seq }) => seq));
    return this.#moved;
  }
}
