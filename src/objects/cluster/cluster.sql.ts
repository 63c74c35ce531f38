import type { Fence } from "../../domain/backends/fence.ts";
import type { Watch } from "../../domain/backends/watch.ts";
import type { Database, Migration } from "../database.ts";
import { deliveriesMigration } from "./deliveries/deliveries.sql.ts";

/** A heartbeat writes one row, its agent's; the cluster's own row is written when something changes. */
export const clusterMigrations: readonly Migration[] = [
  {
    name: "heartbeats",
    sql: `
      CREATE TABLE cluster (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        agent_id TEXT NOT NULL,
        last_heartbeat_at INTEGER NOT NULL,
        lost INTEGER NOT NULL DEFAULT 0
      );
    `,
  },
  {
    name: "agents, and the registration that they belong to",
    sql: `
      CREATE TABLE agents (
        id TEXT PRIMARY KEY,
        version TEXT NOT NULL,
        draining INTEGER NOT NULL,
        capacity INTEGER,
        backends INTEGER NOT NULL,
        last_heartbeat_at INTEGER NOT NULL
      ) WITHOUT ROWID;
      INSERT INTO agents (id, version, draining, backends, last_heartbeat_at)
        SELECT agent_id, '', 0, 0, last_heartbeat_at FROM cluster WHERE lost = 0;
      ALTER TABLE cluster DROP COLUMN agent_id;
      ALTER TABLE cluster ADD COLUMN registration INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE cluster ADD COLUMN told_draining INTEGER NOT NULL DEFAULT 0;
    `,
  },
  deliveriesMigration,
  {
    name: "since when the agents are watched",
    sql: `
      ALTER TABLE cluster ADD COLUMN watched_from INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE cluster ADD COLUMN present_at INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE agents ADD COLUMN begun_at INTEGER NOT NULL DEFAULT 0;
    `,
  },
  {
    name: "which agents need proof of an end",
    sql: `
      ALTER TABLE cluster ADD COLUMN gone_with_proof TEXT NOT NULL DEFAULT '[]'; -- JSON: ids of agents
      ALTER TABLE cluster ADD COLUMN told_fence TEXT NOT NULL DEFAULT 'lease';
      ALTER TABLE agents ADD COLUMN fence TEXT NOT NULL DEFAULT 'lease';
      ALTER TABLE agents ADD COLUMN leaving INTEGER NOT NULL DEFAULT 0;
    `,
  },
  {
    name: "how far a loss is notified",
    sql: "ALTER TABLE cluster ADD COLUMN loss TEXT;",
  },
  {
    name: "the disks of agents",
    sql: `
      ALTER TABLE agents ADD COLUMN disk_free_bytes INTEGER;
      ALTER TABLE agents ADD COLUMN disk_total_bytes INTEGER;
    `,
  },
  {
    name: "whether the account has answered what was reported to it",
    sql: "ALTER TABLE cluster ADD COLUMN is_report_open INTEGER NOT NULL DEFAULT 0;",
  },
];

export type ClusterRow = {
  account: string;
  name: string;
  /** Which of the registrations under this name: a later one has a higher number. */
  registration: number;
  /** The last heartbeat of the agents that are forgotten. */
  last_heartbeat_at: number;
  /** 1: the services know that the cluster is lost. */
  lost: number;
  /** What was reported to the account: 1, the cluster takes no new backends. */
  told_draining: number;
  /** From when on the agents' silence counts. */
  watched_from: number;
  /** When this object last noted that it runs, while its agents were silent. */
  present_at: number;
  /** JSON: the agents that needed proof when they were last heard, and are forgotten since. */
  gone_with_proof: string;
  /** What was reported to the account. */
  told_fence: Fence;
  /** JSON: how far services are notified of the loss; null while none is under way. */
  loss: string | null;
  /** 1: the account may have taken a report that it has not answered, so that it may know something else than the above. */
  is_report_open: number;
};

export type AgentRow = {
  id: string;
  version: string;
  draining: number;
  capacity: number | null;
  /** How many it last listed. */
  backends: number;
  last_heartbeat_at: number;
  /** The first heartbeat since the agent was last forgotten. */
  begun_at: number;
  fence: Fence;
  leaving: number;
  /** Null where it was not measured. */
  disk_free_bytes: number | null;
  disk_total_bytes: number | null;
};

/**
 * The rows of a cluster and its agents. They are kept in memory as they are read and written: a heartbeat reads none. What is
 * read is nothing where the object has given its storage back, which may happen while somebody waits.
 */
export function clusterSql(db: Database) {
  let cluster: { row: ClusterRow | undefined } | null = null;
  let agents: AgentRow[] | null = null;
  const forgetRows = () => {
    cluster = null;
    agents = null;
  };
  const watched = db.watched(forgetRows);
  return {
    cluster: () => {
      if (!db.ready) return undefined;
      cluster ??= { row: db.first<ClusterRow>("SELECT * FROM cluster") };
      return cluster.row;
    },
    /** Call when the storage was given back. */
    forgetRows,
    insertCluster: (
      row: Pick<ClusterRow, "account" | "name" | "registration" | "last_heartbeat_at" | "watched_from">,
    ) =>
      watched.run(
        `INSERT INTO cluster (id, account, name, registration, last_heartbeat_at, watched_from)
         VALUES (1, ?, ?, ?, ?, ?)`,
        row.account,
        row.name,
        row.registration,
        row.last_heartbeat_at,
        row.watched_from,
      ),
    setWatch: ({ from, presentAt }: Watch) =>
      watched.run("UPDATE cluster SET watched_from = ?, present_at = ?", from, presentAt),
    deleteCluster: () => {
      watched.run("DELETE FROM cluster");
      watched.run("DELETE FROM agents");
    },
    setLost: (lost: boolean) => watched.run("UPDATE cluster SET lost = ?, loss = NULL", lost ? 1 : 0),
    setLoss: (loss: string) => watched.run("UPDATE cluster SET loss = ?", loss),
    setGoneWithProof: (ids: readonly string[]) =>
      watched.run("UPDATE cluster SET gone_with_proof = ?", JSON.stringify(ids)),
    openReport: (registration: number) =>
      watched.run("UPDATE cluster SET is_report_open = 1 WHERE registration = ?", registration),
    setReported: (registration: number, reported: { fence: Fence; draining: boolean }) =>
      watched.run(
        "UPDATE cluster SET told_fence = ?, told_draining = ?, is_report_open = 0 WHERE registration = ?",
        reported.fence,
        reported.draining ? 1 : 0,
        registration,
      ),

    /** The one that was heard last comes first. */
    agents: (): readonly AgentRow[] => {
      if (!db.ready) return [];
      agents ??= db.all<AgentRow>("SELECT * FROM agents ORDER BY last_heartbeat_at DESC, id");
      return agents;
    },
    putAgent: (row: Omit<AgentRow, "begun_at">) => {
      db.run(
        `INSERT INTO agents (id, version, draining, capacity, backends, last_heartbeat_at, begun_at, fence, leaving,
           disk_free_bytes, disk_total_bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (id) DO UPDATE
         SET version = excluded.version, draining = excluded.draining, capacity = excluded.capacity,
             backends = excluded.backends, last_heartbeat_at = excluded.last_heartbeat_at,
             fence = excluded.fence, leaving = excluded.leaving,
             disk_free_bytes = excluded.disk_free_bytes, disk_total_bytes = excluded.disk_total_bytes`,
        row.id,
        row.version,
        row.draining,
        row.capacity,
        row.backends,
        row.last_heartbeat_at,
        row.fence,
        row.leaving,
        row.disk_free_bytes,
        row.disk_total_bytes,
      );
      const known = agents?.find(({ id }) => id === row.id);
      const put = { ...row, begun_at: known?.begun_at ?? row.last_heartbeat_at };
      agents = agents && [put, ...agents.filter((each) => each !== known)].sort(byLastHeartbeat);
    },
    /** Forgets an agent; the time of its last heartbeat stays known. */
    deleteAgent: (row: AgentRow) => {
      watched.run("UPDATE cluster SET last_heartbeat_at = max(last_heartbeat_at, ?)", row.last_heartbeat_at);
      watched.run("DELETE FROM agents WHERE id = ?", row.id);
    },
  };
}
export type ClusterSql = ReturnType<typeof clusterSql>;

/** As the statement that reads them orders them. */
function byLastHeartbeat(a: AgentRow, b: AgentRow): number {
  return b.last_heartbeat_at - a.last_heartbeat_at || (a.id < b.id ? -1 : 1);
}
