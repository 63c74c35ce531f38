import { pageRenderedEveryMs, pageRenderLostAfterMs, pageTurnForfeitMs } from "../../../domain/limits.ts";

/** A rendering, by the isolate's monotonic clock in milliseconds. */
export interface Turn {
  startedAt: number;
  /** Null while it is under way. */
  endedAt: number | null;
  result: Promise<unknown>;
}

/**
 * The turns of all pages of one service or account: one is rendered after the other, first come, first served, and each at
 * least `pageRenderedEveryMs` after the start of the one before. Those who wait keep the time themselves, since a request can
 * end without running another line of its code: who is next has a moment to take the turn, and then the one after may.
 */
export class RenderTurns {
  /** By their tickets. */
  readonly #waiting: { page: string; ticket: number }[] = [];
  last: Turn | null = null;

  /**
   * Waits for a turn, with all others who wait for the same page.
   * @param ticket larger than those of all who came before
   * @returns in how many milliseconds the page may be rendered, unless another one is under way or was by then; 0: now
   */
  wait(page: string, ticket: number, now: number): number {
    let place = this.#placeOf(page);
    if (place < 0) {
      const later = this.#waiting.findIndex((other) => other.ticket > ticket);
      place = later < 0 ? this.#waiting.length : later;
      this.#waiting.splice(place, 0, { page, ticket });
    }
    if (!this.last) return 0;
    const { startedAt, endedAt } = this.last;
    const freeAt = Math.max(startedAt + pageRenderedEveryMs, endedAt ?? startedAt + pageRenderLostAfterMs);
    return Math.max(0, freeAt + place * pageTurnForfeitMs - now);
  }

  /** Takes the turn. Who was before it and did not come goes; where one comes late after all, its place is by its ticket. */
  take(page: string, turn: Turn): void {
    this.#waiting.splice(0, this.#placeOf(page) + 1);
    this.last = turn;
  }

  #placeOf(page: string): number {
    return this.#waiting.findIndex((other) => other.page === page);
  }
}
