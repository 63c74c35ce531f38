import type { BackendStatus } from "../../../domain/backends/status.ts";
import { endedBackendsKeptMs } from "../../../domain/limits.ts";
import type { Database } from "../../database.ts";
import { type ExpiringRows, rowsKeptFor } from "../../expiries.ts";
import type { BackendRow, IndexedBackend } from "./service.sql.ts";

/** A status of a backend that has not ended. */
export type LiveStatus = Exclude<BackendStatus, "terminated">;

/** Live backends, which are the delivery records of their spawns. */
export function backendsReads(db: Pick<Database, "all" | "first">) {
  return {
    backend: (id: string) => db.first<BackendRow>("SELECT * FROM backends WHERE id = ?", id),
    /** Those of these ids that are kept. */
    backends: (ids: readonly string[]) =>
      db.all<BackendRow>(
        "SELECT * FROM backends WHERE id IN (SELECT value FROM json_each(?))",
        JSON.stringify(ids),
      ),
    /** What is indexed of backends. @param ids null: of all that are kept */
    indexedBackends: (ids: readonly string[] | null) => {
      const which = ids === null ? "" : "WHERE id IN (SELECT value FROM json_each(?))";
      return db.all<IndexedBackend>(
        `SELECT id, environment, cluster, key, fencing_token, digest, created_at, status, status_at, attempts,
                next_attempt_at, deadline_at, untold, agent, held_at
         FROM backends ${which}`,
        ...(ids === null ? [] : [JSON.stringify(ids)]),
      );
    },
    holder: (environment: string, key: string) =>
      db.first<{ id: string; status: BackendStatus; held_at: number | null }>(
        "SELECT id, status, held_at FROM backends WHERE environment = ? AND key = ? AND status != 'terminated'",
        environment,
        key,
      ),
    isReleased: (id: string) => db.first("SELECT 1 FROM releases WHERE backend = ?", id) !== undefined,
  };
}
export type BackendsReads = ReturnType<typeof backendsReads>;

/**
 * The writes of the same. A spawn's delivery is acknowledged by `next_attempt_at` becoming null: the three statements
 * that do so are named for it, and two of them carry something else in the same row written.
 * @param changed called with the backends that a statement writes
 * @param environmentChanged called with the environment that one writes
 */
export function backendsWrites(
  db: Pick<Database, "run">,
  changed: (ids: readonly string[]) => void,
  environmentChanged: (name: string) => void,
) {
  /** Every statement that writes backends goes through here. */
  function write(ids: readonly string[], sql: string, ...values: Parameters<Database["run"]>[1][]): boolean {
    changed(ids);
    return db.run(sql, ...values);
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
    /** @returns false where a backend has this id already */
    insertBackend: (
      row: Omit<BackendRow, "status" | "status_at" | "reason" | "attempts" | "untold" | "agent" | "held_at">,
    ) =>
      write(
        [row.id],
        `INSERT INTO backends (id, environment, cluster, key, fencing_token, digest, spec, created_at, status,
                               status_at, base_url, next_attempt_at, deadline_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'scheduled', ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
        row.id,
        row.environment,
        row.cluster,
        row.key,
        row.fencing_token,
        row.digest,
        row.spec,
        row.created_at,
        row.created_at,
        row.base_url,
        row.next_attempt_at,
        row.deadline_at,
      ),
    /** Acknowledges spawns, many at a time. */
    acknowledge: (ids: readonly string[]) =>
      write(
        ids,
        "UPDATE backends SET next_attempt_at = NULL WHERE next_attempt_at IS NOT NULL AND id IN (SELECT value FROM json_each(?))",
        JSON.stringify(ids),
      ),
    /** Acknowledges a spawn, with the URL that its cluster gave. */
    acknowledgeWithUrl: (id: string, url: string) =>
      write([id], "UPDATE backends SET base_url = ?, next_attempt_at = NULL WHERE id = ?", url, id),
    /** Enters a status of its life, and acknowledges the spawn with it. @param row `untold`: its shard is to be notified */
    acknowledgeWithStatus: (
      row: Pick<BackendRow, "id" | "status_at" | "reason" | "deadline_at"> & {
        status: LiveStatus;
        untold: boolean;
      },
    ) =>
      write(
        [row.id],
        `UPDATE backends SET status = ?, status_at = ?, reason = ?, deadline_at = ?, untold = ?, next_attempt_at = NULL
         WHERE id = ?`,
        row.status,
        row.status_at,
        row.reason,
        row.deadline_at,
        row.untold ? 1 : 0,
        row.id,
      ),
    /** Ends a backend: its key is free, and its row stays until its shard has been notified. */
    endBackend: (row: Pick<BackendRow, "id" | "status_at" | "reason">) =>
      write(
        [row.id],
        `UPDATE backends SET status = 'terminated', status_at = ?, reason = ?, deadline_at = NULL, untold = 1,
                             next_attempt_at = NULL
         WHERE id = ?`,
        row.status_at,
        row.reason,
        row.id,
      ),
    /** Schedules a spawn's next attempt. @param attempts how many were made */
    retrySpawn: (id: string, attempts: number, at: number) =>
      write([id], "UPDATE backends SET attempts = ?, next_attempt_at = ? WHERE id = ?", attempts, at, id),
    /** Holds a backend's key without a deadline, or not any more. @param at null: an agent runs it */
    setHeld: (id: string, at: number | null, deadlineAt: number | null) =>
      write([id], "UPDATE backends SET held_at = ?, deadline_at = ? WHERE id = ?", at, deadlineAt, id),
    /** Notes that somebody has released a backend. */
    noteRelease: (id: string, now: number) =>
      db.run("INSERT INTO releases (backend, at) VALUES (?, ?) ON CONFLICT (backend) DO NOTHING", id, now),
    /** Notes which agent has listed these backends. */
    setAgent: (ids: readonly string[], agent: string) =>
      write(
        ids,
        "UPDATE backends SET agent = ? WHERE id IN (SELECT value FROM json_each(?))",
        agent,
        JSON.stringify(ids),
      ),
    setDeadline: (id: string, at: number | null) =>
      write([id], "UPDATE backends SET deadline_at = ? WHERE id = ?", at, id),
    /** Takes a backend out that has ended and that its shard knows to have ended. */
    deleteBackend: (row: Pick<BackendRow, "id" | "environment" | "created_at">) => {
      noteSpawn(row.environment, row.created_at);
      write([row.id], "DELETE FROM backends WHERE id = ?", row.id);
    },
    noteSpawn,
  };
}
export type BackendsWrites = ReturnType<typeof backendsWrites>;

/** Notes of releases, as they go: with the backends themselves. */
export function releasesExpiry(db: Pick<Database, "first" | "run">): ExpiringRows {
  return rowsKeptFor(db, { table: "releases", key: "backend", keptMs: endedBackendsKeptMs });
}
