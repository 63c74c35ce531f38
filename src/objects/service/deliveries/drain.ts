import { earliest } from "../../../domain/deliveries/retry.ts";
import { recoveryDelayMs } from "../../../domain/limits.ts";

/** Something to be delivered. */
export interface Pending {
  id: string;
  /** In milliseconds since the epoch; null where there is no attempt to come. */
  next_attempt_at: number | null;
}

/** What an attempt says of itself. */
export interface UnderWay {
  /** It waits for its turn, for as long as it takes: until `sent` it is not taken for lost. */
  waits(): void;
  /** It is on its way from now on. */
  sent(): void;
  /** It is not to be joined any more. */
  ended(): void;
}

/**
 * Attempts to deliver, at most one under way for each id. An attempt that has outlived every timeout counts no longer,
 * since it will never say how it ended.
 */
export class Drain<Outcome> {
  readonly #now: () => number;
  /** `since` is null while an attempt waits to be sent. */
  readonly #underWay = new Map<string, { attempt: Promise<Outcome>; since: number | null }>();

  /** @param now milliseconds since the epoch, as all times here */
  constructor(now: () => number) {
    this.#now = now;
  }

  isUnderWay(id: string): boolean {
    return this.#find(id) !== undefined;
  }

  /** Joins the attempt under way, or starts one. @param attempt calls `ended` in the end */
  joinOrStart(id: string, attempt: (underWay: UnderWay) => Promise<Outcome>): Promise<Outcome> {
    const joined = this.#find(id);
    if (joined) return joined.attempt;
    const underWay: UnderWay = {
      waits: () => {
        started.since = null;
      },
      sent: () => {
        started.since = this.#now();
      },
      ended: () => {
        if (this.#underWay.get(id) === started) this.#underWay.delete(id);
      },
    };
    const started: { attempt: Promise<Outcome>; since: number | null } = {
      // A turn later: an attempt that ends at once must not end before it is in the map.
      attempt: Promise.resolve().then(() => attempt(underWay)),
      since: this.#now(),
    };
    this.#underWay.set(id, started);
    return started.attempt;
  }

  /**
   * Starts an attempt at each that is due.
   * @param start may hold an item back behind an attempt that is under way elsewhere, if the end of that attempt has this
   *   called again
   * @returns when to look again, null where nothing is pending
   */
  startDue<Item extends Pending>(
    pending: readonly Item[],
    now: number,
    start: (item: Item) => void,
  ): number | null {
    for (const item of pending) {
      const { id, next_attempt_at: at } = item;
      if (at !== null && at <= now && !this.isUnderWay(id)) start(item);
    }
    return earliest(
      pending.map(({ id, next_attempt_at: at }) => {
        // Should the attempt be lost with this process, it is made again once nobody waits for it any more; what was held
        // back behind a lost one is started then.
        if (this.isUnderWay(id) || (at !== null && at <= now)) return now + recoveryDelayMs;
        return at;
      }),
    );
  }

  #find(id: string) {
    const found = this.#underWay.get(id);
    if (!found || (found.since !== null && this.#now() - found.since >= recoveryDelayMs)) return undefined;
    return found;
  }
}
