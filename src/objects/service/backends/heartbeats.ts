import type { Fence } from "../../../domain/backends/fence.ts";
import {
  type HeartbeatVerdict,
  isSettled,
  judgeHeartbeat,
  type KnownBackend,
  newlyListed,
  type ReportedBackend,
} from "../../../domain/backends/lease.ts";
import type { ClusterReport, ClusterRpc, ServiceVerdict } from "../../contract.ts";
import type { KeptBackend, ServiceRow } from "../sql/service.sql.ts";
import { type ServiceState, specOf } from "../state.ts";
import { deadlineOf } from "./deadline.ts";
import { giveUpBackend } from "./lifecycle.ts";
import { type ClusterListings, idleSecondsOf, type Listing } from "./listings.ts";

/** Compares a service's backends with the heartbeats of their clusters: which they run, have lost, or are silent about. */
export class Heartbeats {
  readonly #state: ServiceState;
  readonly #clusterOf: (account: string, cluster: string) => Pick<ClusterRpc, "unreported">;

  constructor(
    state: ServiceState,
    clusterOf: (account: string, cluster: string) => Pick<ClusterRpc, "unreported">,
  ) {
    this.#state = state;
    this.#clusterOf = clusterOf;
  }

  /**
   * Compares what a cluster's agents say they run with what it should run, and ends what they have lost: what has changed since
   * the last heartbeat, and what time may change. What was this agent's and is on its list no more has ended; anything else is given up.
   * @returns also whether a spawn is overdue, for which the alarm should have rung long ago
   */
  reconcile(
    cluster: string,
    report: ClusterReport,
    now: number,
  ): ServiceVerdict & { lost: string[]; overdue: boolean } {
    const { backends, listings, spawns } = this.#state;
    const here = listings.of(cluster);
    here.keep(report.agents.map(({ id }) => id));
    for (const update of report.updates) here.update(update, now);
    const lacking = report.agents.flatMap(({ id, digest }) =>
      digest === null || here.digestOf(id) === digest ? [] : [id],
    );
    if (lacking.length > 0) {
      return { terminate: [], unknown: [], lost: [], unlisted: here.unlisted.size, overdue: false, lacking };
    }
    const listing = report.from === null ? null : here.heard(report.from, now);
    const { terminate, unknown, lost } = this.#judge(here, listing, report, now);
    // A heartbeat sees what it has itself changed too: what is lost is not to be judged by the next one.
    listings.of(cluster);
    const overdue =
      this.#state.db.ready &&
      backends.unacknowledged().some((row) => row.cluster === cluster && spawns.isOverdue(row, now));
    return { terminate, unknown, lost, unlisted: here.unlisted.size, overdue, lacking };
  }

  /** @param listing that of the agent which sent the heartbeat; null where an agent is gone */
  #judge(
    here: ClusterListings,
    listing: Listing | null,
    { from, agents, watchedFrom, unchangedSince, fence }: ClusterReport,
    now: number,
  ): HeartbeatVerdict {
    const { activity, spawns } = this.#state;
    const open = [...(listing?.open ?? [])];
    const reported = open.flatMap((id) => listing?.backends.get(id) ?? []);
    const rows = this.#rowsOf(here, open);
    const known = rows.map((row) => this.#known(row, now));
    const lists = {
      from,
      elsewhere: open.filter((id) => here.listing(id).some((each) => each !== listing)),
      alive: agents.map(({ id }) => id),
      watchedFrom,
      unchangedSince,
      fence,
    };
    const unlisted = this.#rowsOf(here, here.unlisted).map((row) => this.#known(row, now));
    const verdict = judgeHeartbeat(reported, [...known, ...unlisted], lists, now);
    const refused = new Set(verdict.terminate);
    for (const row of rows) {
      if (refused.has(row.id)) continue;
      const entry = listing?.backends.get(row.id);
      if (entry) activity.listed(row.id, idleSecondsOf(entry, now), now);
      if (!spawns.isAcknowledged(row)) spawns.acknowledge(row);
    }
    const ofThisAgent = newlyListed(reported, known, lists);
    if (from !== null && ofThisAgent.length > 0) this.#state.sql.setAgent(ofThisAgent, from);
    for (const row of rows) if (row.held_at !== null && !refused.has(row.id)) this.#letGo(row.id);
    const proven = new Set(verdict.proven);
    this.#lose(verdict.proven, "lease", now);
    this.#lose(
      verdict.lost.filter((id) => !proven.has(id)),
      fence,
      now,
    );
    if (listing) this.#settle(here, listing, reported, refused, now);
    return verdict;
  }

  /** Leaves open of a list what the next heartbeat is to judge again. */
  #settle(
    here: ClusterListings,
    listing: Listing,
    reported: readonly ReportedBackend[],
    refused: ReadonlySet<string>,
    now: number,
  ): void {
    listing.refused = refused;
    for (const each of reported) {
      const [row] = this.#rowsOf(here, [each.id]);
      const known = row && this.#known(row, now);
      const isElsewhere = here.listing(each.id).some((other) => other !== listing);
      const isOver = isSettled(each, known, { from: listing.agent, isElsewhere });
      if (isOver && (row?.held_at ?? null) === null) listing.open.delete(each.id);
    }
  }

  /** Those of these backends that live in a cluster. */
  #rowsOf(here: ClusterListings, ids: Iterable<string>): KeptBackend[] {
    return Array.from(ids).flatMap((id) => {
      const row = here.live.has(id) ? this.#state.backends.get(id) : undefined;
      return row && row.status !== "terminated" ? [row] : [];
    });
  }

  /** The last agent of a registration of a cluster is gone, and every backend there with it. @returns whether there were any */
  clusterLost(cluster: string, registration: number, fence: Fence, now: number): boolean {
    if (!this.#state.db.ready || this.#registrationOf(cluster) !== registration) return false;
    this.#state.listings.of(cluster).keep([]);
    const ids = this.#liveOf(cluster).map(({ id }) => id);
    this.#lose(ids, fence, now);
    return ids.length > 0;
  }

  /** A key that was held is its backend's own again: an agent runs it. */
  #letGo(id: string): void {
    const row = this.#state.backend(id);
    if (row) this.#state.sql.setHeld(id, null, deadlineOf(row, specOf(row))?.at ?? null);
  }

  /** @param fence `lease`: their keys are free with it in any case */
  #lose(ids: readonly string[], fence: Fence, now: number): void {
    if (ids.length === 0) return;
    this.#state.db.transaction(() => {
      for (const id of ids) {
        const row = this.#state.backend(id);
        if (row && row.status !== "terminated") giveUpBackend(this.#state, row, "lost", fence, now);
      }
    });
  }

  /** Those of some live backends that no agent has listed for longer than the lease, by the clusters that they run in. */
  async unlisted(
    { account }: ServiceRow,
    backends: readonly KeptBackend[],
    now: number,
  ): Promise<Set<string>> {
    const byCluster = Map.groupBy(backends, ({ cluster }) => cluster);
    const unlisted = await Promise.all(
      [...byCluster].map(([cluster, rows]) => {
        const expected = rows
          .map((row) => this.#known(row, now))
          .flatMap(({ id, status, agent, delivered, expectedAt }) =>
            delivered ? [{ id, status, agent, expectedForMs: now - expectedAt }] : [],
          );
        return expected.length === 0
          ? []
          : this.#clusterOf(account, cluster).unreported(this.#registrationOf(cluster), expected);
      }),
    );
    return new Set(unlisted.flat());
  }

  #liveOf(cluster: string): KeptBackend[] {
    return this.#state.backends.live().filter((row) => row.cluster === cluster);
  }

  #registrationOf(cluster: string): number {
    return this.#state.cluster(cluster)?.registration ?? 0;
  }

  #known(row: KeptBackend, now: number): KnownBackend {
    return {
      id: row.id,
      status: row.status,
      statusAt: row.status_at,
      fencingToken: row.fencing_token,
      expectedAt: this.#state.spawns.expectedAt(row, now),
      delivered: this.#state.spawns.isAcknowledged(row),
      agent: row.agent,
    };
  }
}
