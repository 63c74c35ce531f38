import type { Fence } from "../../../domain/backends/fence.ts";
import {
  type ClusterLists,
  type HeartbeatVerdict,
  judgeHeartbeat,
  type KnownBackend,
  newlyListed,
  type ReportedBackend,
} from "../../../domain/backends/lease.ts";
import type { ClusterRpc } from "../../contract.ts";
import type { KeptBackend, ServiceRow } from "../sql/service.sql.ts";
import { type ServiceState, specOf } from "../state.ts";
import { deadlineOf } from "./deadline.ts";
import { giveUpBackend } from "./lifecycle.ts";

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
   * Compares what a cluster's agents say they run with what it should run, and ends what they have lost.
   * What was this agent's and is on its list no more has ended; anything else is given up.
   * @returns also whether a spawn is overdue, for which the alarm should have rung long ago
   */
  reconcile(
    cluster: string,
    reported: readonly ReportedBackend[],
    lists: ClusterLists,
    now: number,
  ): Omit<HeartbeatVerdict, "proven"> & { live: number; overdue: boolean } {
    if (!this.#state.db.ready) {
      const { terminate, unknown } = judgeHeartbeat(reported, [], lists, now);
      return { terminate, unknown, lost: [], live: 0, overdue: false };
    }
    const rows = this.#liveOf(cluster);
    const known = rows.map((row) => this.#known(row, now));
    const verdict = judgeHeartbeat(reported, known, lists, now);
    const overdue = rows.some((row) => this.#state.spawns.isOverdue(row, now));
    const listed = new Map(reported.map((each) => [each.id, each]));
    const refused = new Set(verdict.terminate);
    for (const row of rows) {
      const asListed = refused.has(row.id) ? undefined : listed.get(row.id);
      if (!asListed) continue;
      this.#state.activity.listed(row.id, asListed.idle_seconds, now);
      if (!this.#state.spawns.isAcknowledged(row)) this.#state.spawns.acknowledge(row);
    }
    const ofThisAgent = newlyListed(reported, known, lists);
    if (lists.from !== null && ofThisAgent.length > 0) this.#state.sql.setAgent(ofThisAgent, lists.from);
    for (const row of rows) {
      if (row.held_at !== null && listed.has(row.id) && !refused.has(row.id)) this.#letGo(row.id);
    }
    const proven = new Set(verdict.proven);
    this.#lose(verdict.proven, "lease", now);
    this.#lose(
      verdict.lost.filter((id) => !proven.has(id)),
      lists.fence,
      now,
    );
    const { terminate, unknown, lost } = verdict;
    return { terminate, unknown, lost, live: known.length - lost.length, overdue };
  }

  /** The last agent of a registration of a cluster is gone, and every backend there with it. @returns whether there were any */
  clusterLost(cluster: string, registration: number, fence: Fence, now: number): boolean {
    if (!this.#state.db.ready || this.#registrationOf(cluster) !== registration) return false;
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
    { account, code }: ServiceRow,
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
          : this.#clusterOf(account, cluster).unreported(this.#registrationOf(cluster), code, expected);
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
