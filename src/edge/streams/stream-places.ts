import { streamSilentMs } from "../../domain/limits.ts";

/** Somebody's place among those who may have one. */
export interface Place {
  /** Shows that its holder is still there; without that for a minute the place is free. */
  renew(): void;
  /** Gives the place back. */
  release(): void;
}

/**
 * Counts the holders of places, by what they share. Nothing is counted anew, so that taking a place costs the same
 * however many are taken.
 */
export class StreamPlaces {
  /** When each holder last showed that it is there; the one that has been silent for the longest comes first. */
  readonly #held = new Map<string, Map<Place, number>>();
  readonly #now: () => number;
  #sweptAt: number;

  /** @param now the isolate's clock, in milliseconds since the epoch */
  constructor(now: () => number = Date.now) {
    this.#now = now;
    this.#sweptAt = now();
  }

  /** How many keys have holders, as far as is known. */
  get keys(): number {
    return this.#held.size;
  }

  /** @returns null where `most` places of the key are taken */
  take(key: string, most: number): Place | null {
    this.#sweep();
    const held = this.#held.get(key) ?? new Map<Place, number>();
    this.#dropSilent(held);
    if (held.size >= most) return null;
    this.#held.set(key, held);
    const place: Place = {
      renew: () => {
        if (held.delete(place)) held.set(place, this.#now());
      },
      release: () => {
        held.delete(place);
        if (held.size === 0 && this.#held.get(key) === held) this.#held.delete(key);
      },
    };
    held.set(place, this.#now());
    return place;
  }

  /** Once in a while, what ended without a word and nobody has looked at since: all of it, or it would never be freed. */
  #sweep(): void {
    if (this.#now() - this.#sweptAt < streamSilentMs) return;
    this.#sweptAt = this.#now();
    for (const [key, held] of this.#held) {
      this.#dropSilent(held);
      if (held.size === 0) this.#held.delete(key);
    }
  }

  #dropSilent(held: Map<Place, number>): void {
    const silentSince = this.#now() - streamSilentMs;
    for (const [place, seenAt] of held) {
      if (seenAt > silentSince) return;
      held.delete(place);
    }
  }
}
