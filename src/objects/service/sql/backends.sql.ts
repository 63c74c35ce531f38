import type { BackendStatus, StatusEntry } from "../../../domain/backends/status.ts";
import { endedBackendsKeptMs } from "../../../domain/limits.ts";
import type { Database } from "../../database.ts";
import { type ExpiringRows, rowsKeptFor } from "../../expiries.ts";
import type { BackendsMemory } from "../live-backends.ts";
import type { BackendRow, KeptBackend } from "./service.sql.ts";

/** A status of a backend that has not ended. */
export type LiveStatus = Exclude<BackendStatus, "terminated">;

/** Of a longer spec memory keeps nothing: it is read when it is needed. */
const keptSpecCharacters = 1024;

/** What memory keeps, beside the spec. */
const keptColumns = `id, environment, cluster, key, fencing_token, digest, created_at, status, status_at, reason, base_url,
                attempts, next_attempt_at, deadline_at, untold, agent, held_at, ended`;

/** Live backends, which are the delivery records of their spawns. */
export function backendsReads(db: Pick<Database, "all" | "first">) {
  return {
    backend: (id: string) =>
      db.first<BackendRow>(`SELECT ${keptColumns}, spec FROM backends WHERE id = ?`, id),
    /** The statuses that a backend has entered beyond `scheduled`, oldest first, as far as they are kept. */
    enteredStatuses: (id: string): StatusEntry[] => {
      const row = db.first<{ history: string }>("SELECT history FROM backends WHERE id = ?", id);
      const lines = row?.history.split("\n") ?? [];
      return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
    },
    /** What memory keeps of backends. @param ids null: of all that there are */
    keptBackends: (ids: readonly string[] | null) => {
      const which = ids === null ? "" : "WHERE id IN (SELECT value FROM json_each(?))";
      return db.all<KeptBackend>(
        `SELECT ${keptColumns},
                iif(length(spec) > ${keptSpecCharacters}, NULL, spec) AS spec
         FROM backends ${which}`,
        ...(ids === null ? [] : [JSON.stringify(ids)]),
      );
    },
    isReleased: (id: string) => db.first("SELECT 1 FROM releases WHERE backend = ?", id) !== undefined,
  };
}
export type BackendsReads = ReturnType<typeof backendsReads>;

type Column = keyof KeptBackend;

/** What a decision fixes of a backend; the rest of its row is as each begins. */
export type NewBackend = Omit<
  BackendRow,
  "status" | "status_at" | "reason" | "attempts" | "untold" | "agent" | "held_at" | "ended"
>;

/**
 * The writes of the same. A spawn's delivery is acknowledged by `next_attempt_at` becoming null: the three statements
 * that do so are named for it, and two of them carry something else in the same row written.
 * @param memory changed with each statement
 * @param environmentChanged called with the environment that one writes
 */
export function backendsWrites(
  db: Pick<Database, "run">,
  memory: BackendsMemory,
  environmentChanged: (name: string) => void,
) {
  /**
   * Every change of rows goes through here, so that table and memory are changed by the same values.
   * @param entered statuses to be added to the history, which memory does not keep
   */
  function update(
    ids: readonly string[],
    columns: Partial<KeptBackend>,
    entered: readonly StatusEntry[] = [],
  ): void {
    const names = Object.keys(columns).filter((name): name is Column => name in columns);
    const [id, ...others] = ids;
    if (id === undefined) return;
    const set = names.map((name) => `${name} = ?`);
    const lines = entered.map((entry) => `${JSON.stringify(entry)}\n`);
    db.run(
      `UPDATE backends SET ${[...set, ...(lines.length === 0 ? [] : ["history = history || ?"])].join(", ")}
       WHERE id ${others.length === 0 ? "= ?" : "IN (SELECT value FROM json_each(?))"}`,
      ...names.map((name) => columns[name] ?? null),
      ...(lines.length === 0 ? [] : [lines.join("")]),
      others.length === 0 ? id : JSON.stringify(ids),
    );
    memory.updated(ids, columns);
  }

  /** Moves an environment's last spawn on. An environment that was created after it keeps its own. */
  function noteSpawn(environment: string, at: number): void {
    const isLater = db.run(
      `UPDATE environments SET last_spawned_at = ?1
       WHERE name = ?2 AND created_at <= ?1 AND coalesce(last_spawned_at, 0) < ?1`,
      at,
      environment,
    );
    if (isLater) environmentChanged(environment);
  }

  return {
    /** Records a backend that begins its life. @returns its row; null where a backend has this id already */
    insertBackend: (begun: NewBackend): BackendRow | null => {
      const row: BackendRow = {
        ...begun,
        status: "scheduled",
        status_at: begun.created_at,
        reason: null,
        attempts: 0,
        untold: 0,
        agent: null,
        held_at: null,
        ended: 0,
      };
      const isNew = db.run(
        `INSERT INTO backends (id, environment, cluster, key, fencing_token, digest, spec, created_at, status,
                               status_at, base_url, next_attempt_at, deadline_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
        row.id,
        row.environment,
        row.cluster,
        row.key,
        row.fencing_token,
        row.digest,
        row.spec,
        row.created_at,
        row.status,
        row.status_at,
        row.base_url,
        row.next_attempt_at,
        row.deadline_at,
      );
      if (!isNew) return null;
      memory.added(row.spec.length > keptSpecCharacters ? { ...row, spec: null } : row);
      return row;
    },
    /** Acknowledges spawns, many at a time, none of which is acknowledged. */
    acknowledge: (ids: readonly string[]) => update(ids, { next_attempt_at: null }),
    /** Acknowledges a spawn, with the URL that its cluster gave. */
    acknowledgeWithUrl: (id: string, url: string) => update([id], { base_url: url, next_attempt_at: null }),
    /**
     * Enters a status of its life, and acknowledges the spawn with it.
     * @param row `untold`: its shard is to be notified; `entered`: what it has gone through with this, oldest first
     */
    acknowledgeWithStatus: ({
      id,
      status,
      status_at,
      reason,
      base_url,
      deadline_at,
      untold,
      entered,
    }: Pick<BackendRow, "id" | "status_at" | "reason" | "base_url" | "deadline_at"> & {
      status: LiveStatus;
      untold: boolean;
      entered: readonly StatusEntry[];
    }) => {
      const columns = { status, status_at, reason, base_url, deadline_at, untold: untold ? 1 : 0 };
      update([id], { ...columns, next_attempt_at: null }, entered);
    },
    /** Ends a backend: its key is free, and its row stays until its shard has been notified. */
    endBackend: ({ id, status_at, reason }: Pick<BackendRow, "id" | "status_at" | "reason">) =>
      update([id], {
        status: "terminated",
        status_at,
        reason,
        deadline_at: null,
        untold: 1,
        next_attempt_at: null,
        ended: 1,
      }),
    /** Schedules a spawn's next attempt. @param attempts how many were made */
    retrySpawn: (id: string, attempts: number, at: number) => update([id], { attempts, next_attempt_at: at }),
    /** Holds a backend's key without a deadline, or not any more. @param at null: an agent runs it */
    setHeld: (id: string, at: number | null, deadlineAt: number | null) =>
      update([id], { held_at: at, deadline_at: deadlineAt }),
    /** Notes that somebody has released a backend. */
    noteRelease: (id: string, now: number) =>
      db.run("INSERT INTO releases (backend, at) VALUES (?, ?) ON CONFLICT (backend) DO NOTHING", id, now),
    /** Notes which agent has listed these backends. */
    setAgent: (ids: readonly string[], agent: string) => update(ids, { agent }),
    setDeadline: (id: string, at: number | null) => update([id], { deadline_at: at }),
    /** Takes a backend out that has ended and that its shard knows to have ended. */
    deleteBackend: (row: Pick<BackendRow, "id" | "environment" | "created_at">) => {
      noteSpawn(row.environment, row.created_at);
      db.run("DELETE FROM backends WHERE id = ?", row.id);
      memory.removed(row.id);
    },
    noteSpawn,
  };
}
export type BackendsWrites = ReturnType<typeof backendsWrites>;

/** Notes of releases, as they go: with the backends themselves. */
export function releasesExpiry(db: Pick<Database, "first" | "run">): ExpiringRows {
  return rowsKeptFor(db, { table: "releases", key: "backend", keptMs: endedBackendsKeptMs });
}
