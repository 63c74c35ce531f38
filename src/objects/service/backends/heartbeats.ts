import {
  type ClusterLists,
  type HeartbeatVerdict,
  judgeHeartbeat,
  type KnownBackend,
  type ReportedBackend,
} from "../../../domain/backends/lease.ts";
import type { ClusterRpc } from "../../contract.ts";
import { recoveryDelayMs } from "../connect/decide.ts";
import type { Deliveries } from "../deliveries/deliveries.ts";
import type { JudgedRow, ServiceRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { endBackend } from "./lifecycle.ts";

/** What heartbeats say of a service's backends: which its clusters run, have lost, or were not heard to run. */
export class Heartbeats {
  readonly #state: ServiceState;
  readonly #deliveries: Pick<Deliveries, "isAcknowledged" | "acknowledge">;
  readonly #clusterOf: (account: string, cluster: string) => Pick<ClusterRpc, "unreported">;
  /** When spawns that had to be repeated were first seen to be acknowledged, in milliseconds since the epoch. */
  readonly #acknowledgedAt = new Map<string, number>();

  constructor(
    state: ServiceState,
    deliveries: Pick<Deliveries, "isAcknowledged" | "acknowledge">,
    clusterOf: (account: string, cluster: string) => Pick<ClusterRpc, "unreported">,
  ) {
    this.#state = state;
    this.#deliveries = deliveries;
    this.#clusterOf = clusterOf;
  }

  /**
   * Compares what a cluster's agents say they run with what it should run, and ends what they have lost.
   * @returns also whether a spawn is overdue for which the alarm should have rung long ago
   */
  reconcile(
    cluster: string,
    reported: readonly ReportedBackend[],
    lists: ClusterLists,
    now: number,
  ): HeartbeatVerdict & { live: number; overdue: boolean } {
    if (!this.#state.db.ready) {
      return { ...judgeHeartbeat(reported, [], lists, now), live: 0, overdue: false };
    }
    const rows = this.#state.sql.judgedBackends(cluster);
    const known = rows.map((row) => this.#known(row, now));
    const verdict = judgeHeartbeat(reported, known, lists, now);
    const shown = new Set(reported.map(({ id }) => id));
    const refused = new Set(verdict.terminate);
    const undelivered = new Set(known.flatMap(({ id, delivered }) => (delivered ? [] : [id])));
    for (const row of rows) {
      const isShown = shown.has(row.id) && !refused.has(row.id);
      if (isShown && undelivered.has(row.id)) this.#deliveries.acknowledge(row);
    }
    this.#lose(verdict.lost, now);
    const overdue = rows.some(
      ({ id, next_attempt_at }) =>
        undelivered.has(id) && next_attempt_at !== null && now - next_attempt_at > recoveryDelayMs,
    );
    return { ...verdict, live: known.length - verdict.lost.length, overdue };
  }

  /** The last agent of a registration of a cluster is gone, and every backend there with it. @returns whether there were any */
  clusterLost(cluster: string, registration: number, now: number): boolean {
    if (!this.#state.db.ready || this.#registrationOf(cluster) !== registration) return false;
    const ids = this.#state.sql.judgedBackends(cluster).map(({ id }) => id);
    this.#lose(ids, now);
    return ids.length > 0;
  }

  #lose(ids: readonly string[], now: number): void {
    if (ids.length === 0) return;
    this.#state.db.transaction(() => {
      for (const id of ids) {
        const row = this.#state.sql.backend(id);
        if (row && row.status !== "terminated") endBackend(this.#state, row, "lost", now);
        this.#acknowledgedAt.delete(id);
      }
    });
  }

  /** The live backends that no agent was heard to run for longer than the lease. Asks the clusters that they run in. */
  async unheard({ account, code }: ServiceRow, now: number): Promise<Set<string>> {
    const byCluster = Map.groupBy(this.#state.sql.judgedBackends(null), ({ cluster }) => cluster);
    const unheard = await Promise.all(
      [...byCluster].map(([cluster, rows]) => {
        const expected = rows
          .map((row) => this.#known(row, now))
          .flatMap(({ id, delivered, expectedAt }) =>
            delivered ? [{ id, expectedForMs: now - expectedAt }] : [],
          );
        return expected.length === 0
          ? []
          : this.#clusterOf(account, cluster).unreported(this.#registrationOf(cluster), code, expected);
      }),
    );
    return new Set(unheard.flat());
  }

  #registrationOf(cluster: string): number {
    return this.#state.cluster(cluster)?.registration ?? 0;
  }

  #known(row: JudgedRow, now: number): KnownBackend {
    const delivered = row.next_attempt_at === null || this.#deliveries.isAcknowledged(row.id);
    return {
      id: row.id,
      status: row.status,
      statusAt: row.status_at,
      fencingToken: row.fencing_token,
      expectedAt: row.attempts === 0 ? row.created_at : this.#repeatedSpawnAt(row, delivered, now),
      delivered,
    };
  }

  /** Since when a backend whose spawn was repeated is there: at the latest since it was first seen to be. */
  #repeatedSpawnAt(row: JudgedRow, delivered: boolean, now: number): number {
    if (row.status !== "scheduled") {
      this.#acknowledgedAt.delete(row.id);
      return row.status_at;
    }
    if (!delivered) return now;
    const at = this.#acknowledgedAt.get(row.id) ?? now;
    this.#acknowledgedAt.set(row.id, at);
    return at;
  }
}
