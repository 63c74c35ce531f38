import type { ClusterLists } from "../../domain/backends/lease.ts";
import { isPresenceDue, type Watch, watchAt } from "../../domain/backends/watch.ts";
import { Database } from "../database.ts";
import { type ClusterRow, clusterMigrations, clusterSql } from "./cluster.sql.ts";
import { DeliveryLog } from "./deliveries/delivery-log.ts";
import { type Agent, Agents } from "./liveness/agents.ts";

/** A cluster's storage: its registration, its agents, and the log of its deliveries. */
export class ClusterState {
  readonly db: Database;
  readonly sql: ReturnType<typeof clusterSql>;
  readonly agents: Agents;
  readonly deliveries: DeliveryLog;

  constructor(storage: DurableObjectStorage) {
    this.db = new Database(storage, clusterMigrations);
    this.sql = clusterSql(this.db);
    this.agents = new Agents(this.sql, (now) => this.watchAt(now));
    this.deliveries = new DeliveryLog(this.db);
  }

  /** The cluster's row while it is of this registration. */
  registered(registration: number): ClusterRow | undefined {
    const row = this.sql.cluster();
    return row?.registration === registration ? row : undefined;
  }

  /** For how long the agents have been watched. Where there are none there is nothing that could have been missed. */
  watchAt(now: number): Watch {
    const row = this.sql.cluster();
    const [latest] = this.sql.agents();
    const from = row?.watched_from ?? now;
    if (!row || !latest) return { from, presentAt: now };
    return watchAt({ from, presentAt: Math.max(from, row.present_at, latest.last_heartbeat_at) }, now);
  }

  /** Writes that the control plane runs, and since when it does, inside a transaction: where that is not known by a heartbeat. */
  notePresence(now: number): void {
    const watch = this.watchAt(now);
    const isNew = watch.from !== this.sql.cluster()?.watched_from;
    if (isNew || isPresenceDue(watch, now)) this.sql.setWatch({ from: watch.from, presentAt: now });
  }

  /** What a service has to know of the agents to judge their lists. */
  facts(
    alive: readonly Agent[],
    now: number,
  ): Pick<ClusterLists, "watchedFrom" | "fence" | "unchangedSince"> {
    const watchedFrom = this.watchAt(now).from;
    return {
      watchedFrom,
      fence: this.agents.fence(),
      unchangedSince: Math.max(watchedFrom, ...alive.map(({ begunAt }) => begunAt)),
    };
  }

  /** Whether anything of this registration is kept. */
  has(registration: number): boolean {
    return (
      this.registered(registration) !== undefined || this.deliveries.newestRegistration() === registration
    );
  }

  /** Forgets the registration and its agents, inside a transaction. */
  forget(): void {
    this.sql.deleteCluster();
    this.agents.forgetLists();
  }

  /**
   * Gives the storage back of a registration that has ended, and of those before it. What a later one keeps stays.
   * @returns false where a later one keeps something
   */
  async clear(registration: number): Promise<boolean> {
    const newest = Math.max(this.sql.cluster()?.registration ?? 0, this.deliveries.newestRegistration() ?? 0);
    if (newest > registration) return false;
    this.agents.forgetLists();
    const cleared = this.db.clear();
    this.sql.forgetRows();
    await cleared;
    // What was written meanwhile went with it.
    this.sql.forgetRows();
    return true;
  }
}
