import type { ChangeState } from "../../../domain/deploys/approvals.ts";
import type { Database, Migration } from "../../database.ts";
import { keyset } from "../../keyset.sql.ts";
import type { Position } from "../../page.ts";

/** Changes that wait, or waited, for approval. */
export const changesMigration: Migration = {
  name: "changes that need approval",
  sql: `
    CREATE TABLE changes (
      seq INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      environment INTEGER NOT NULL, -- its seq
      environment_name TEXT NOT NULL,
      request TEXT NOT NULL, -- JSON: ChangeRequest
      digest TEXT, -- that it would bring in; null: none
      revision INTEGER NOT NULL, -- of the environment that it is to replace
      needed INTEGER NOT NULL, -- approvals, as it was requested
      requester TEXT NOT NULL, -- JSON: Actor
      approvals TEXT NOT NULL DEFAULT '[]', -- JSON: Approval[]
      state TEXT NOT NULL, -- as it is stored: an open one may be over by its time, or its environment's revision
      outcome TEXT, -- a sentence
      at INTEGER NOT NULL,
      ended_at INTEGER
    );
    CREATE INDEX changes_environment ON changes (environment, seq);
    CREATE INDEX changes_open ON changes (environment, seq) WHERE state = 'open';
    CREATE INDEX changes_digest ON changes (digest) WHERE state = 'open';
  `,
};

export type ChangeRow = {
  seq: number;
  id: string;
  environment: number;
  environment_name: string;
  request: string;
  digest: string | null;
  revision: number;
  needed: number;
  requester: string;
  approvals: string;
  state: ChangeState;
  outcome: string | null;
  at: number;
  ended_at: number | null;
};

export function changesReads(db: Pick<Database, "all" | "first">) {
  return {
    change: (id: string) => db.first<ChangeRow>("SELECT * FROM changes WHERE id = ?", id),
    /** Of an environment. */
    changesBeyond: (environment: number, { key, leadsBack }: Position<number>, limit: number) => {
      const { past, order } = keyset("seq", leadsBack);
      return db.all<ChangeRow>(
        `SELECT * FROM changes WHERE environment = ?2 AND ${past} ORDER BY ${order} LIMIT ?3`,
        key,
        environment,
        limit,
      );
    },
    /** Stored as open, the newest first. */
    openChanges: (environment: number) =>
      db.all<ChangeRow>(
        "SELECT * FROM changes WHERE environment = ? AND state = 'open' ORDER BY seq DESC",
        environment,
      ),
    /** Stored as open. */
    changesTo: (digest: string) =>
      db.all<ChangeRow>("SELECT * FROM changes WHERE digest = ? AND state = 'open'", digest),
    /** Stored as open, of all environments: `openChangesMax` at most. */
    allOpenChanges: () => db.all<ChangeRow>("SELECT * FROM changes WHERE state = 'open'"),
  };
}
export type ChangesReads = ReturnType<typeof changesReads>;

export function changesWrites(db: Pick<Database, "run">) {
  return {
    insertChange: (row: Omit<ChangeRow, "seq" | "approvals" | "state" | "outcome" | "ended_at">) =>
      db.run(
        `INSERT INTO changes (id, environment, environment_name, request, digest, revision, needed, requester, state, at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open', ?)`,
        row.id,
        row.environment,
        row.environment_name,
        row.request,
        row.digest,
        row.revision,
        row.needed,
        row.requester,
        row.at,
      ),
    setApprovals: (id: string, approvals: string) =>
      db.run("UPDATE changes SET approvals = ? WHERE id = ?", approvals, id),
    /** @param kept how many of the newest stay that are over */
    endChange: (
      { id, state, outcome, ended_at }: Pick<ChangeRow, "id" | "state" | "outcome" | "ended_at">,
      kept: number,
    ) => {
      db.run(
        "UPDATE changes SET state = ?, outcome = ?, ended_at = ? WHERE id = ?",
        state,
        outcome,
        ended_at,
        id,
      );
      db.run("DELETE FROM changes WHERE seq <= (SELECT max(seq) FROM changes) - ? AND state != 'open'", kept);
    },
    forgetChanges: (environment: number) => db.run("DELETE FROM changes WHERE environment = ?", environment),
  };
}
export type ChangesWrites = ReturnType<typeof changesWrites>;
