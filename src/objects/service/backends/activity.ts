import { heartbeatInTransitMs, leaseSeconds } from "../../../domain/limits.ts";
import type { BackendRow } from "../sql/service.sql.ts";
import { idleSecondsOf, type Listing } from "./listings.ts";

/** Times in milliseconds since the epoch. */
interface Signs {
  activeAt: number;
  listedAt: number;
}

/**
 * What shows that live backends were active, from which follows when their agents may sweep them. It is in memory only: what is
 * lost with the process costs the next connect a touch.
 */
export class BackendActivity {
  readonly #signs = new Map<string, Signs>();
  readonly #listing: (id: string) => Iterable<Pick<Listing, "heardAt" | "backends">>;

  /** @param listing the agents that list a backend: their heartbeats are signs of what they go on listing */
  constructor(listing: (id: string) => Iterable<Pick<Listing, "heardAt" | "backends">> = () => []) {
    this.#listing = listing;
  }

  /**
   * The latest time, in milliseconds since the epoch, of which it is certain that a backend's agent has counted no idle time
   * before it. When it became ready is none: that report may have come late.
   */
  activeAt({ id, created_at: createdAt }: Pick<BackendRow, "id" | "created_at">): number {
    let activeAt = Math.max(createdAt, this.#signs.get(id)?.activeAt ?? 0);
    for (const { heardAt, backends } of this.#listing(id)) {
      const isConnected = backends.get(id)?.idle_seconds === 0;
      if (isConnected) activeAt = Math.max(activeAt, heardAt - heartbeatInTransitMs);
    }
    return activeAt;
  }

  /** Whether an agent that holds its lease has listed a backend. */
  isListed(id: string, now: number): boolean {
    let listedAt = this.#signs.get(id)?.listedAt ?? 0;
    for (const { heardAt } of this.#listing(id)) listedAt = Math.max(listedAt, heardAt);
    return now - listedAt < leaseSeconds * 1000;
  }

  /**
   * Whether a backend is known to have had no connection for so long: by the list of an agent that holds its lease, and by all else that
   * shows that it was active. Where an agent does not say, it is not known.
   */
  isIdle(row: Pick<BackendRow, "id" | "created_at">, forMs: number, now: number): boolean {
    let isListed = false;
    for (const { heardAt, backends } of this.#listing(row.id)) {
      const entry = backends.get(row.id);
      if (!entry || now - heardAt >= leaseSeconds * 1000) continue;
      if ((idleSecondsOf(entry, now) ?? 0) * 1000 < forMs) return false;
      isListed = true;
    }
    return isListed && now - this.activeAt(row) >= forMs;
  }

  /** A live backend's agent has accepted a touch that was sent at `at`. */
  touched(id: string, at: number): void {
    this.#note(id, { activeAt: at });
  }

  /** A live backend is on its agent's list. @param idleSeconds as the list has it */
  listed(id: string, idleSeconds: number | undefined, now: number): void {
    const activeAt = idleSeconds === undefined ? 0 : now - heartbeatInTransitMs - idleSeconds * 1000;
    this.#note(id, { activeAt, listedAt: now });
  }

  /** Drops what is in memory of a backend that has ended. */
  forget(id: string): void {
    this.#signs.delete(id);
  }

  #note(id: string, { activeAt, listedAt }: Partial<Signs>): void {
    const known = this.#signs.get(id);
    this.#signs.set(id, {
      activeAt: Math.max(activeAt ?? 0, known?.activeAt ?? 0),
      listedAt: Math.max(listedAt ?? 0, known?.listedAt ?? 0),
    });
  }
}
