import type { Database, Migration } from "../database.ts";

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
];

export type ClusterRow = {
  account: string;
  name: string;
  agent_id: string;
  last_heartbeat_at: number;
  lost: number;
};

export function clusterSql(db: Database) {
  return {
    cluster: () => db.first<ClusterRow>("SELECT * FROM cluster"),
    putHeartbeat: (row: Omit<ClusterRow, "lost">) =>
      db.run(
        `INSERT INTO cluster (id, account, name, agent_id, last_heartbeat_at) VALUES (1, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE
         SET agent_id = excluded.agent_id, last_heartbeat_at = excluded.last_heartbeat_at, lost = 0`,
        row.account,
        row.name,
        row.agent_id,
        row.last_heartbeat_at,
      ),
    setLost: () => db.run("UPDATE cluster SET lost = 1"),
  };
}
