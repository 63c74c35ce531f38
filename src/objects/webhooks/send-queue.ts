import {
  type ClusterLoad,
  maySend,
  type Promptness,
  promptnessOf,
} from "../../domain/deliveries/send-budget.ts";
import { recoveryDelayMs, spawnsBeforeOthers } from "../../domain/limits.ts";

/** What waits for a turn: somebody waits for a spawn or a touch, and nobody for anything else. */
export type Lane = "spawns" | "others";

/** The right to send one webhook. One of these must be called in the end, and only the first call counts. */
export interface Turn {
  /** An answer has begun, or none can come any more. */
  answered(): void;
  /** No answer has begun in time. */
  timedOut(): void;
  /** Nothing was sent. */
  unused(): void;
}

interface Waiting {
  /** In milliseconds since the epoch; null: it waits for however long it takes. */
  until: number | null;
  resolve(turn: Turn | null): void;
}

/** One cluster's webhooks: under way, and waiting for their turn. */
class Line implements ClusterLoad {
  promptness: Promptness = "unproven";
  readonly sentAt: number[] = [];
  readonly #waiting: Record<Lane, Set<Waiting>> = { spawns: new Set(), others: new Set() };
  #spawnsInARow = 0;

  get isWaiting(): boolean {
    return this.#waiting.spawns.size + this.#waiting.others.size > 0;
  }

  wait(lane: Lane, waiting: Waiting): void {
    this.#waiting[lane].add(waiting);
  }

  /** Takes those out that have waited for long enough. @returns until when the next of the others waits */
  giveUp(now: number): number | null {
    const { spawns, others } = this.#waiting;
    let next: number | null = null;
    for (const waiting of [...spawns, ...others]) {
      if (waiting.until === null) continue;
      if (waiting.until > now) {
        next = Math.min(waiting.until, next ?? waiting.until);
        continue;
      }
      spawns.delete(waiting);
      others.delete(waiting);
      waiting.resolve(null);
    }
    return next;
  }

  /** Takes the one out whose turn it is. */
  next(): Waiting | undefined {
    const { spawns, others } = this.#waiting;
    const isOthers = spawns.size === 0 || (others.size > 0 && this.#spawnsInARow >= spawnsBeforeOthers);
    this.#spawnsInARow = isOthers ? 0 : this.#spawnsInARow + 1;
    const lane = isOthers ? others : spawns;
    const [first] = lane;
    if (first) lane.delete(first);
    return first;
  }

  /** Counts those no longer that have outlived every timeout: they will never say how they ended. */
  forgetLost(now: number): void {
    const lost = this.sentAt.findLastIndex((at) => now - at >= recoveryDelayMs) + 1;
    if (lost === 0) return;
    this.sentAt.splice(0, lost);
    this.promptness = "timed_out";
  }
}

/**
 * Whose turn it is to send a webhook, among all that an object has to send: within the budget of `maySend`, by turns
 * between clusters, and first come, first served for each of them.
 */
export class SendQueue {
  readonly #now: () => number;
  readonly #hasOthers: () => boolean;
  /** By cluster, the one that was served longest ago first. */
  readonly #lines = new Map<string, Line>();
  /** When the timer rings: one for all, since a timer of its own would be the dearest part of a turn. */
  #ringsAt: number | null = null;

  /**
   * @param now milliseconds since the epoch
   * @param hasOthers whether there is more than one cluster that may have to be sent something
   */
  constructor(now: () => number, hasOthers: () => boolean) {
    this.#now = now;
    this.#hasOthers = hasOthers;
  }

  /**
   * A turn to send a cluster something: at once where there is room, or in time.
   * @param withinMs null: however long it takes
   * @returns null where it did not come to that within `withinMs`
   */
  turn(cluster: string, lane: Lane, withinMs: number | null): Turn | Promise<Turn | null> {
    const line = this.#lines.get(cluster) ?? new Line();
    this.#lines.set(cluster, line);
    this.#serve();
    if (!line.isWaiting && this.#mayServe(line)) return this.#turnOf(cluster, line);
    const until = withinMs === null ? null : this.#now() + withinMs;
    if (until !== null) this.#ringBy(until);
    return new Promise((resolve) => {
      line.wait(lane, { until, resolve });
    });
  }

  #ringBy(at: number): void {
    if (this.#ringsAt !== null && this.#ringsAt <= at) return;
    this.#ringsAt = at;
    setTimeout(() => this.#ring(at), at - this.#now());
  }

  #ring(at: number): void {
    if (this.#ringsAt !== at) return;
    this.#ringsAt = null;
    // The clock may not have reached what the timer has.
    const now = Math.max(this.#now(), at);
    for (const line of this.#lines.values()) {
      const next = line.giveUp(now);
      if (next !== null) this.#ringBy(next);
    }
  }

  #mayServe(line: Line): boolean {
    return maySend(line, this.#lines.values(), this.#hasOthers(), this.#now());
  }

  #turnOf(cluster: string, line: Line): Turn {
    const sentAt = this.#now();
    line.sentAt.push(sentAt);
    // To the end: the others come first next time.
    this.#lines.delete(cluster);
    this.#lines.set(cluster, line);
    let isOver = false;
    const end = (promptness: Promptness) => {
      if (isOver) return;
      isOver = true;
      const at = line.sentAt.indexOf(sentAt);
      if (at !== -1) line.sentAt.splice(at, 1);
      line.promptness = promptness;
      this.#serve();
    };
    return {
      answered: () => end(promptnessOf(this.#now() - sentAt)),
      timedOut: () => end(promptnessOf(null)),
      unused: () => end(line.promptness),
    };
  }

  /** Gives turns to those who wait, for as long as there is room. */
  #serve(): void {
    for (const line of this.#lines.values()) line.forgetLost(this.#now());
    for (let next = this.#nextToServe(); next; next = this.#nextToServe()) {
      const [cluster, line] = next;
      line.next()?.resolve(this.#turnOf(cluster, line));
    }
  }

  #nextToServe(): [string, Line] | undefined {
    for (const entry of this.#lines) {
      if (entry[1].isWaiting && this.#mayServe(entry[1])) return entry;
    }
    return undefined;
  }
}
