import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { statusEntry } from "../../protocol/status-entry.ts";
import { spawnLimits, spawnWebhookData } from "../../protocol/webhooks/webhook.ts";

/**
 * The steps of the journal's schema. They are only ever appended; `user_version` counts those applied.
 * Times are milliseconds since the epoch.
 */
export const journalMigrations: readonly string[] = [
  `
    CREATE TABLE agent (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      agent_id TEXT NOT NULL,
      account TEXT NOT NULL,
      cluster TEXT NOT NULL
    );
    CREATE TABLE lease (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      boot TEXT,
      sent_at_ms REAL NOT NULL, -- since that boot
      for_ms REAL NOT NULL
    );
    CREATE TABLE spawns (
      backend_id TEXT PRIMARY KEY,
      data TEXT NOT NULL -- JSON: SpawnWebhookData
    );
    -- Beside the spawns, so that a status rewrites no spawn.
    CREATE TABLE lives (
      backend_id TEXT PRIMARY KEY,
      history TEXT NOT NULL, -- JSON: StatusEntry[]
      acknowledged INTEGER NOT NULL, -- how many of its entries Slipway has
      failure TEXT -- why it never started
    );
    -- What must not be started (again), and nothing is to be reported of.
    CREATE TABLE ended (
      backend_id TEXT PRIMARY KEY,
      at INTEGER NOT NULL,
      was_spawned INTEGER NOT NULL, -- 0: its end came before its spawn
      failure TEXT
    );
    CREATE INDEX ended_by_time ON ended (at);
  `,
];

const json = z.string().transform((text): unknown => JSON.parse(text));

/** A spawn as it was written down, which an earlier version may have accepted where this one would not. */
const writtenSpawn = spawnWebhookData.extend({
  key: z.string().nullable(),
  env: z.record(z.string(), z.string()),
  mount: z.union([z.string(), z.boolean()]).optional(),
  limits: spawnLimits.extend({ max_idle_seconds: z.int().nonnegative() }),
});

const versionRow = z.object({ user_version: z.int() });
const agentRow = z.object({ agent_id: z.string(), account: z.string(), cluster: z.string() });
const leaseRow = z.object({ boot: z.string().nullable(), sent_at_ms: z.number(), for_ms: z.number() });
const backendRow = z.object({
  data: json.pipe(writtenSpawn),
  history: json.pipe(z.array(statusEntry).min(1)),
  acknowledged: z.int(),
  failure: z.string().nullable(),
});
const idRow = z.object({ backend_id: z.string() });
const endedRow = z.object({ was_spawned: z.int(), failure: z.string().nullable() });

export type AgentRow = z.infer<typeof agentRow>;

/** Named access to the journal's database. Each throws where the database fails or a row is not as it should be. */
export function journalSql(db: DatabaseSync) {
  const statement = {
    agent: db.prepare("SELECT agent_id, account, cluster FROM agent"),
    putAgent: db.prepare(
      "INSERT OR REPLACE INTO agent (one, agent_id, account, cluster) VALUES (1, :agent_id, :account, :cluster)",
    ),
    lease: db.prepare("SELECT boot, sent_at_ms, for_ms FROM lease"),
    backends: db.prepare(
      `SELECT data, history, acknowledged, failure FROM spawns JOIN lives USING (backend_id) ORDER BY spawns.rowid`,
    ),
    insertSpawn: db.prepare("INSERT INTO spawns (backend_id, data) VALUES (?, ?)"),
    insertLife: db.prepare("INSERT INTO lives (backend_id, history, acknowledged) VALUES (?, ?, ?)"),
    setHistory: db.prepare("UPDATE lives SET history = ?, failure = ? WHERE backend_id = ?"),
    setAcknowledged: db.prepare("UPDATE lives SET acknowledged = ? WHERE backend_id = ?"),
    deleteSpawn: db.prepare("DELETE FROM spawns WHERE backend_id = ?"),
    deleteLife: db.prepare("DELETE FROM lives WHERE backend_id = ?"),
    ended: db.prepare("SELECT was_spawned, failure FROM ended WHERE backend_id = ?"),
    insertEnded: db.prepare(
      "INSERT OR IGNORE INTO ended (backend_id, at, was_spawned, failure) VALUES (?, ?, ?, ?)",
    ),
    deleteEndedBefore: db.prepare("DELETE FROM ended WHERE at < ? RETURNING backend_id"),
  };
  return {
    agent: () => agentRow.optional().parse(statement.agent.get()),
    putAgent: (row: AgentRow) => void statement.putAgent.run(row),
    lease: () => leaseRow.optional().parse(statement.lease.get()),

    /** In the order in which they were spawned. */
    backends: () => z.array(backendRow).parse(statement.backends.all()),
    insertSpawn: (id: string, data: string) => void statement.insertSpawn.run(id, data),
    insertLife: (id: string, history: string, acknowledged: number) =>
      void statement.insertLife.run(id, history, acknowledged),
    setHistory: (id: string, history: string, failure: string | null) =>
      void statement.setHistory.run(history, failure, id),
    setAcknowledged: (id: string, count: number) => void statement.setAcknowledged.run(count, id),
    deleteBackend: (id: string) => {
      statement.deleteSpawn.run(id);
      statement.deleteLife.run(id);
    },

    ended: (id: string) => endedRow.optional().parse(statement.ended.get(id)),
    insertEnded: (id: string, at: number, wasSpawned: boolean, failure: string | null) =>
      void statement.insertEnded.run(id, at, wasSpawned ? 1 : 0, failure),
    /** @returns the ids of what was deleted */
    deleteEndedBefore: (at: number) =>
      z
        .array(idRow)
        .parse(statement.deleteEndedBefore.all(at))
        .map(({ backend_id }) => backend_id),
  };
}

/** Runs `action` atomically: it is rolled back when it throws. It must not be async. */
export function transaction<T>(db: DatabaseSync, action: () => T): T {
  db.exec("BEGIN IMMEDIATE");
  try {
    const value = action();
    db.exec("COMMIT");
    return value;
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** Takes the database for this process alone, until it is closed or the process ends. Throws while another has it. */
export function takeAlone(db: DatabaseSync): void {
  db.exec("PRAGMA locking_mode = EXCLUSIVE");
  transaction(db, () => undefined);
}

/** How many migrations were applied. */
export function schemaVersion(db: DatabaseSync): number {
  return versionRow.parse(db.prepare("PRAGMA user_version").get()).user_version;
}

/** Writes go to a log that outlives the process, however it ends; nothing is read or written by another process. */
export function prepareSchema(db: DatabaseSync): void {
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  for (const [index, sql] of journalMigrations.entries()) {
    if (index < schemaVersion(db)) continue;
    transaction(db, () => db.exec(`${sql}; PRAGMA user_version = ${index + 1}`));
  }
}
