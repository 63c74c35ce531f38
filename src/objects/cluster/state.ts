import type { ClusterLists } from "../../domain/backends/lease.ts";
import { isPresenceDue, type Watch, watchAt } from "../../domain/backends/watch.ts";
import { Database } from "../database.ts";
import { type ClusterRow, clusterMigrations, clusterSql } from "./cluster.sql.ts";
import { DeliveryLog } from "./deliveries/delivery-log.ts";
import { Agents, type SentList } from "./liveness/agents.ts";

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

  /** What a service, by its code, has to know of the agents to judge a list. */
  listsFor(code: string, { from, list }: SentList, now: number): ClusterLists {
    const alive = this.agents.alive(now);
    const watchedFrom = this.watchAt(now).from;
    return {
      from,
      // A later list of the same agent counts as another's: it may have come while services were looked up.
      elsewhere: alive.flatMap(({ listed }) =>
        listed === list ? [] : (listed?.get(code) ?? []).map(({ id }) => id),
      ),
      alive: alive.map(({ id }) => id),
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
    await this.db.clear();
    return true;
  }
}
