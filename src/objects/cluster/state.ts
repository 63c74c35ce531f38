import { Database } from "../database.ts";
import { type ClusterRow, clusterMigrations, clusterSql } from "./cluster.sql.ts";
import { DeliveryLog } from "./deliveries/delivery-log.ts";
import { Agents } from "./liveness/agents.ts";

/** A cluster's storage: its registration, its agents, and the log of its deliveries. */
export class ClusterState {
  readonly db: Database;
  readonly sql: ReturnType<typeof clusterSql>;
  readonly agents: Agents;
  readonly deliveries: DeliveryLog;

  constructor(storage: DurableObjectStorage) {
    this.db = new Database(storage, clusterMigrations);
    this.sql = clusterSql(this.db);
    this.agents = new Agents(this.sql);
    this.deliveries = new DeliveryLog(this.db);
  }

  /** The cluster's row while it is of this registration. */
  registered(registration: number): ClusterRow | undefined {
    const row = this.db.ready ? this.sql.cluster() : undefined;
    return row?.registration === registration ? row : undefined;
  }

  /** Forgets the registration and its agents, inside a transaction. */
  forget(): void {
    this.sql.deleteCluster();
    this.agents.forgetLists();
  }
}
