import type { DrainCancelReason, DrainState } from "../../../domain/deploys/drain.ts";
import { drainsKeptMs } from "../../../domain/limits.ts";
import type { Database, Migration } from "../../database.ts";
import type { ExpiringRows } from "../../expiries.ts";
import { keyset } from "../../keyset.sql.ts";
import type { Position } from "../../page.ts";

export const drainsMigration: Migration = {
  name: "drains",
  sql: `
    CREATE TABLE drains (
      seq INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      state TEXT NOT NULL, -- draining, drained, cancelled
      environments TEXT, -- JSON: string[]; null: all
      digest TEXT,
      before_revision INTEGER,
      created_before INTEGER,
      last_fencing_token INTEGER NOT NULL, -- of the backends that are meant
      at_end_of_seconds INTEGER, -- null: what is in use without a key is not ended
      rate_per_minute INTEGER NOT NULL,
      keep TEXT NOT NULL, -- JSON: keys and backends
      token_id TEXT NOT NULL,
      token_name TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      next_at INTEGER NOT NULL, -- from when on it may end the next
      ended INTEGER NOT NULL, -- of those that are meant
      remaining INTEGER, -- how many were left when it was over
      reason TEXT,
      ended_at INTEGER
    );
    CREATE INDEX drains_ended ON drains (ended_at) WHERE ended_at IS NOT NULL;
  `,
};

export type DrainRow = {
  seq: number;
  id: string;
  state: DrainState;
  environments: string | null;
  digest: string | null;
  before_revision: number | null;
  created_before: number | null;
  last_fencing_token: number;
  at_end_of_seconds: number | null;
  rate_per_minute: number;
  keep: string;
  token_id: string;
  token_name: string;
  created_at: number;
  next_at: number;
  ended: number;
  remaining: number | null;
  reason: DrainCancelReason | null;
  ended_at: number | null;
};

export function drainsReads(db: Pick<Database, "all" | "first">) {
  return {
    drain: (id: string) => db.first<DrainRow>("SELECT * FROM drains WHERE id = ?", id),
    /** Those of these ids that are under way; of null, all that are. */
    drainsUnderWay: (ids: readonly string[] | null) => {
      const which = ids === null ? "" : "AND id IN (SELECT value FROM json_each(?))";
      return db.all<DrainRow>(
        `SELECT * FROM drains WHERE ended_at IS NULL ${which}`,
        ...(ids === null ? [] : [JSON.stringify(ids)]),
      );
    },
    drainsBeyond: ({ key, leadsBack }: Position<number>, limit: number) => {
      const { past, order } = keyset("seq", leadsBack);
      return db.all<DrainRow>(`SELECT * FROM drains WHERE ${past} ORDER BY ${order} LIMIT ?2`, key, limit);
    },
  };
}
export type DrainsReads = ReturnType<typeof drainsReads>;

/**
 * The writes of the same.
 * @param changed called with the drain that a statement writes
 */
export function drainsWrites(db: Pick<Database, "run">, changed: (ids: readonly string[]) => void) {
  return {
    /** @param kept how many that are over stay beside it */
    insertDrain: (
      row: Omit<DrainRow, "seq" | "state" | "ended" | "remaining" | "reason" | "ended_at">,
      kept: number,
    ) => {
      db.run(
        `DELETE FROM drains WHERE seq IN (
           SELECT seq FROM drains WHERE ended_at IS NOT NULL ORDER BY seq DESC LIMIT -1 OFFSET ?)`,
        kept,
      );
      db.run(
        `INSERT INTO drains (id, state, environments, digest, before_revision, created_before, last_fencing_token,
                             at_end_of_seconds, rate_per_minute, keep, token_id, token_name, created_at, next_at, ended)
         VALUES (?, 'draining', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
        row.id,
        row.environments,
        row.digest,
        row.before_revision,
        row.created_before,
        row.last_fencing_token,
        row.at_end_of_seconds,
        row.rate_per_minute,
        row.keep,
        row.token_id,
        row.token_name,
        row.created_at,
        row.next_at,
      );
      changed([row.id]);
    },
    /** @param at from when on it may end the next, in milliseconds since the epoch */
    paceDrain: (id: string, at: number) => {
      db.run("UPDATE drains SET next_at = ? WHERE id = ?", at, id);
      changed([id]);
    },
    /** One that it means has ended. */
    countDrained: (id: string) => {
      db.run("UPDATE drains SET ended = ended + 1 WHERE id = ?", id);
      changed([id]);
    },
    endDrain: ({
      id,
      state,
      remaining,
      reason,
      ended_at,
    }: Pick<DrainRow, "id" | "remaining" | "reason" | "ended_at"> & {
      state: Exclude<DrainState, "draining">;
    }) => {
      db.run(
        "UPDATE drains SET state = ?, remaining = ?, reason = ?, ended_at = ? WHERE id = ?",
        state,
        remaining,
        reason,
        ended_at,
        id,
      );
      changed([id]);
    },
    /** Those of a service that is deleted. */
    deleteDrains: () => db.run("DELETE FROM drains"),
  };
}
export type DrainsWrites = ReturnType<typeof drainsWrites>;

/** Drains that are over, as they go. */
export function drainsExpiry(db: Pick<Database, "first" | "run">): ExpiringRows {
  return {
    firstDue() {
      const first = db.first<{ at: number }>(
        "SELECT ended_at AS at FROM drains WHERE ended_at IS NOT NULL ORDER BY ended_at LIMIT 1",
      );
      return first ? first.at + drainsKeptMs : null;
    },
    deleteDue: (now, atOnce) =>
      db.run(
        "DELETE FROM drains WHERE seq IN (SELECT seq FROM drains WHERE ended_at <= ? ORDER BY ended_at LIMIT ?)",
        now - drainsKeptMs,
        atOnce,
      ),
  };
}
