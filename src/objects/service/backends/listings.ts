import type { ReportedBackend } from "../../../domain/backends/lease.ts";
import { emptyListDigest, ListDigest } from "../../../protocol/v3/list-digest.ts";
import type { ListUpdate } from "../../contract.ts";
import type { BackendsMemory } from "../live-backends.ts";
import type { KeptBackend } from "../sql/service.sql.ts";

/** A backend that is listed: with the moment from which on it is idle, where it is so, which time does not change. */
export interface Entry extends ReportedBackend {
  /** Milliseconds since the epoch. */
  idleFrom: number;
}

/** For how many seconds a listed backend has been idle, as its agent would list it now; undefined where that is not known. */
export function idleSecondsOf({ idle_seconds: idle, idleFrom }: Entry, now: number): number | undefined {
  return idle ? Math.max(0, (now - idleFrom) / 1000) : idle;
}

/** What an agent lists of this service. */
export interface Listing {
  agent: string;
  /** When its last heartbeat came, in milliseconds since the epoch. */
  heardAt: number;
  backends: Map<string, Entry>;
  digest: ListDigest;
  /** Those that are to be judged by its next heartbeat: their entry or their row has changed, or time may change the verdict. */
  open: Set<string>;
  /** Those that it should not run. */
  refused: ReadonlySet<string>;
}

/** What is noted of a backend that was on a list and is so no longer, or otherwise. */
export type NoteListed = (id: string, idleSeconds: number | undefined, at: number) => void;

const none: readonly Listing[] = [];

/** A cluster's backends of this service, and what its agents list of it. */
export class ClusterListings {
  /** Those that live. */
  readonly live = new Set<string>();
  /** Of those, the ones that no agent lists. */
  readonly unlisted = new Set<string>();
  readonly #listings = new Map<string, Listing>();
  /** Those that list a backend. Mostly one. */
  readonly #listedBy = new Map<string, readonly Listing[]>();
  readonly #note: NoteListed;

  constructor(note: NoteListed) {
    this.#note = note;
  }

  /** The list of an agent of which a heartbeat has come. */
  heard(agent: string, now: number): Listing {
    const listing = this.#of(agent);
    listing.heardAt = now;
    return listing;
  }

  /** The agents that list a backend. */
  listing(id: string): readonly Listing[] {
    return this.#listedBy.get(id) ?? none;
  }

  /** A backend's row has changed. @param isLive whether it lives in this cluster */
  changed(id: string, isLive: boolean): void {
    if (isLive) this.live.add(id);
    else this.live.delete(id);
    for (const { open } of this.listing(id)) open.add(id);
    this.#seeWhetherListed(id);
  }

  /** Takes what has changed of a list, whatever it comes to. */
  update({ agent, isWhole, backends, gone, silentMs }: ListUpdate, now: number): void {
    const listing = this.#of(agent);
    const kept = isWhole ? new Set(backends.map(({ id }) => id)) : null;
    for (const id of kept === null ? gone : [...listing.backends.keys()].filter((id) => !kept.has(id))) {
      this.#drop(listing, id);
    }
    for (const backend of backends) this.#put(listing, entryOf(backend, now));
    listing.heardAt = Math.max(listing.heardAt, now - silentMs);
  }

  /** Keeps the lists of these agents, and drops those of others. */
  keep(agents: readonly string[]): void {
    const alive = new Set(agents);
    for (const listing of this.#listings.values()) {
      if (alive.has(listing.agent)) continue;
      for (const id of [...listing.backends.keys()]) this.#drop(listing, id);
      this.#listings.delete(listing.agent);
    }
  }

  digestOf(agent: string): string {
    return this.#listings.get(agent)?.digest.text ?? emptyListDigest;
  }

  #of(agent: string): Listing {
    const known = this.#listings.get(agent);
    if (known) return known;
    const listing = {
      agent,
      heardAt: 0,
      backends: new Map<string, Entry>(),
      digest: new ListDigest(),
      open: new Set<string>(),
      refused: new Set<string>(),
    };
    this.#listings.set(agent, listing);
    return listing;
  }

  #put(listing: Listing, entry: Entry): void {
    const { id } = entry;
    const before = listing.backends.get(id);
    if (before) {
      this.#noteLeft(listing, before);
      listing.digest.remove(id, before);
    } else this.#listedBy.set(id, [...this.listing(id), listing]);
    listing.digest.add(id, entry);
    listing.backends.set(id, entry);
    listing.open.add(id);
    this.#seeWhetherListed(id);
  }

  #drop(listing: Listing, id: string): void {
    const before = listing.backends.get(id);
    if (!before) return;
    this.#noteLeft(listing, before);
    listing.digest.remove(id, before);
    listing.backends.delete(id);
    listing.open.delete(id);
    const others = this.listing(id).filter((each) => each !== listing);
    if (others.length > 0) this.#listedBy.set(id, others);
    else this.#listedBy.delete(id);
    // What this one has listed may be another's now.
    for (const { open } of others) open.add(id);
    this.#seeWhetherListed(id);
  }

  /** Until the last heartbeat an entry was as it was. */
  #noteLeft({ heardAt, refused }: Listing, { id, idle_seconds: idle }: ReportedBackend): void {
    if (this.live.has(id) && !refused.has(id)) this.#note(id, idle === 0 ? 0 : undefined, heardAt);
  }

  #seeWhetherListed(id: string): void {
    if (this.live.has(id) && !this.#listedBy.has(id)) this.unlisted.add(id);
    else this.unlisted.delete(id);
  }
}

/**
 * What the agents of clusters list of this service, in memory: by it a heartbeat is judged for what has changed since the last one. What
 * is lost with the process its clusters send again.
 */
export class Listings {
  readonly #backends: { live(): readonly KeptBackend[]; get(id: string): KeptBackend | undefined };
  readonly #note: NoteListed;
  /** Null until the first heartbeat. */
  #clusters: Map<string, ClusterListings> | null = null;
  /** Those that were written since. */
  readonly #changed = new Set<string>();

  constructor(
    backends: { live(): readonly KeptBackend[]; get(id: string): KeptBackend | undefined },
    note: NoteListed,
  ) {
    this.#backends = backends;
    this.#note = note;
  }

  /** A backend's row was written, or is as before once a transaction is rolled back. */
  changed(id: string): void {
    if (this.#clusters !== null) this.#changed.add(id);
  }

  /** A cluster's, as they are now. */
  of(cluster: string): ClusterListings {
    if (this.#clusters === null) {
      this.#clusters = new Map();
      for (const row of this.#backends.live()) this.#of(row.cluster).changed(row.id, true);
    }
    for (const id of this.#changed) {
      const row = this.#backends.get(id);
      const home = row === undefined || row.status === "terminated" ? null : this.#of(row.cluster);
      for (const listings of this.#clusters.values()) listings.changed(id, listings === home);
    }
    this.#changed.clear();
    return this.#of(cluster);
  }

  /** The agents that list a backend, as far as it is not one that they should not run. */
  *listing(id: string): Generator<Listing> {
    for (const listings of this.#clusters?.values() ?? []) {
      for (const listing of listings.listing(id)) if (!listing.refused.has(id)) yield listing;
    }
  }

  #of(cluster: string): ClusterListings {
    this.#clusters ??= new Map();
    const known = this.#clusters.get(cluster) ?? new ClusterListings(this.#note);
    this.#clusters.set(cluster, known);
    return known;
  }
}

function entryOf({ id, status, fencing_token, idle_seconds }: ReportedBackend, now: number): Entry {
  return { id, status, fencing_token, idle_seconds, idleFrom: idle_seconds ? now - idle_seconds * 1000 : 0 };
}

/** The memory of backends, with `changed` called for each that is written. */
export function watchedBackends(backends: BackendsMemory, changed: (id: string) => void): BackendsMemory {
  return {
    added(row) {
      backends.added(row);
      changed(row.id);
    },
    updated(ids, columns) {
      backends.updated(ids, columns);
      for (const id of ids) changed(id);
    },
    removed(id) {
      backends.removed(id);
      changed(id);
    },
  };
}
