import type { CheckState } from "../../../domain/deploys/gates.ts";
import type { Database, Migration } from "../../database.ts";
import type { EnvironmentRow } from "./service.sql.ts";

/** What makes moving a pin safe: how sessions fared on a digest, what others say of it, what was rolled back from, what was held back. */
export const deploysMigration: Migration = {
  name: "safe deploys",
  sql: `
    ALTER TABLE environments ADD COLUMN stay INTEGER NOT NULL DEFAULT 0; -- the revision since which it resolves to what it does
    ALTER TABLE environments ADD COLUMN since INTEGER NOT NULL DEFAULT 0; -- when that was
    ALTER TABLE environments ADD COLUMN stopped TEXT; -- JSON: Stop
    ALTER TABLE environments ADD COLUMN followed TEXT; -- the tag that it followed until it was rolled back
    UPDATE environments SET stay = revision, since = coalesce((SELECT at FROM revisions
      WHERE revisions.environment = environments.seq AND revisions.revision = environments.revision), created_at);
    ALTER TABLE revisions ADD COLUMN gates TEXT; -- passed, forced; null where there was nothing to pass
    ALTER TABLE revisions ADD COLUMN source TEXT; -- of a promotion: the environment that it came from
    ALTER TABLE revisions ADD COLUMN unfollowed TEXT; -- of a rollback: the tag that was followed until then
    CREATE TABLE arms (
      environment INTEGER NOT NULL,
      digest TEXT NOT NULL,
      stay INTEGER NOT NULL,
      arm TEXT NOT NULL, -- base, canary
      counts TEXT NOT NULL, -- JSON: ArmCounts
      PRIMARY KEY (environment, digest, stay, arm)
    ) WITHOUT ROWID;
    CREATE INDEX arms_stay ON arms (environment, stay);
    CREATE TABLE checks (
      digest TEXT NOT NULL,
      name TEXT NOT NULL,
      state TEXT NOT NULL,
      url TEXT,
      note TEXT,
      token_id TEXT NOT NULL,
      token_name TEXT NOT NULL,
      at INTEGER NOT NULL,
      PRIMARY KEY (digest, name)
    ) WITHOUT ROWID;
    CREATE TABLE rejections (
      seq INTEGER PRIMARY KEY,
      environment INTEGER NOT NULL,
      digest TEXT NOT NULL,
      note TEXT,
      token_id TEXT NOT NULL,
      token_name TEXT NOT NULL,
      at INTEGER NOT NULL,
      UNIQUE (environment, digest)
    );
    CREATE INDEX rejections_environment ON rejections (environment, seq);
    CREATE TABLE candidates (
      seq INTEGER PRIMARY KEY,
      environment INTEGER NOT NULL,
      digest TEXT NOT NULL,
      tag TEXT NOT NULL,
      reason TEXT NOT NULL, -- a code: what held it back
      message TEXT NOT NULL,
      token_id TEXT NOT NULL, -- empty, with the name, where it is not known whose push it was
      token_name TEXT NOT NULL,
      at INTEGER NOT NULL,
      UNIQUE (environment, digest)
    );
    CREATE INDEX candidates_environment ON candidates (environment, seq);
    CREATE INDEX candidates_digest ON candidates (digest);
    CREATE TRIGGER revision_accepts AFTER INSERT ON revisions WHEN new.digest IS NOT NULL BEGIN
      DELETE FROM candidates WHERE environment = new.environment AND digest = new.digest;
    END;
  `,
};

/** Which sessions of an environment: those of what it resolves to, or of its canary. */
export type Arm = "base" | "canary";

/** `counts`: JSON of `ArmCounts` (src/domain/deploys/arm-counts.ts). */
export type ArmRow = { environment: number; digest: string; stay: number; arm: Arm; counts: string };

export type CheckRow = {
  digest: string;
  name: string;
  state: CheckState;
  url: string | null;
  note: string | null;
  token_id: string;
  token_name: string;
  at: number;
};

export type CandidateRow = {
  seq: number;
  environment: number;
  digest: string;
  tag: string;
  reason: string;
  message: string;
  token_id: string;
  token_name: string;
  at: number;
};

/** Of how many of its newest stays the sessions of a digest are added up. */
const staysAddedUp = 50;

export function deploysReads(db: Pick<Database, "all" | "first">) {
  return {
    arm: ({ environment, digest, stay, arm }: Omit<ArmRow, "counts">) =>
      db.first<Pick<ArmRow, "counts">>(
        "SELECT counts FROM arms WHERE environment = ? AND digest = ? AND stay = ? AND arm = ?",
        environment,
        digest,
        stay,
        arm,
      ),
    /** Of a digest in an environment, its newest stays there. */
    armsOf: (environment: number, digest: string) =>
      db.all<Pick<ArmRow, "counts">>(
        "SELECT counts FROM arms WHERE environment = ? AND digest = ? ORDER BY stay DESC LIMIT ?",
        environment,
        digest,
        staysAddedUp,
      ),
    /** By name. */
    checksOf: (digest: string) =>
      db.all<CheckRow>("SELECT * FROM checks WHERE digest = ? ORDER BY name", digest),
    /** Newest first. */
    candidatesOf: (environment: number) =>
      db.all<CandidateRow>("SELECT * FROM candidates WHERE environment = ? ORDER BY seq DESC", environment),
    /** The environments that it waits for, the one that it waits for the longest first. */
    environmentsAwaiting: (digest: string, limit: number) =>
      db.all<Pick<CandidateRow, "environment">>(
        "SELECT environment FROM candidates WHERE digest = ? ORDER BY seq LIMIT ?",
        digest,
        limit,
      ),
  };
}
export type DeploysReads = ReturnType<typeof deploysReads>;

/** The writes of the same. @param environmentChanged called with the environment that a statement writes, and its columns */
export function deploysWrites(
  db: Pick<Database, "run">,
  environmentChanged: (name: string, columns: Partial<EnvironmentRow>) => void,
) {
  return {
    /** @param kept of how many revisions, with this one, counts stay */
    putArm: ({ environment, digest, stay, arm, counts }: ArmRow, kept: number) => {
      db.run("DELETE FROM arms WHERE environment = ? AND stay <= ?", environment, stay - kept);
      db.run(
        `INSERT INTO arms (environment, digest, stay, arm, counts) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (environment, digest, stay, arm) DO UPDATE SET counts = excluded.counts`,
        environment,
        digest,
        stay,
        arm,
        counts,
      );
    },
    putCheck: (row: CheckRow) =>
      db.run(
        `INSERT INTO checks (digest, name, state, url, note, token_id, token_name, at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (digest, name) DO UPDATE SET state = excluded.state, url = excluded.url, note = excluded.note,
           token_id = excluded.token_id, token_name = excluded.token_name, at = excluded.at`,
        row.digest,
        row.name,
        row.state,
        row.url,
        row.note,
        row.token_id,
        row.token_name,
        row.at,
      ),
    deleteChecksOf: (digest: string) => db.run("DELETE FROM checks WHERE digest = ?", digest),
    /** What is held back again takes a new place. @param kept how many of the environment's newest stay, with this one */
    putCandidate: (row: Omit<CandidateRow, "seq">, kept: number) => {
      db.run("DELETE FROM candidates WHERE environment = ? AND digest = ?", row.environment, row.digest);
      db.run(
        `INSERT INTO candidates (environment, digest, tag, reason, message, token_id, token_name, at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        row.environment,
        row.digest,
        row.tag,
        row.reason,
        row.message,
        row.token_id,
        row.token_name,
        row.at,
      );
      db.run(
        `DELETE FROM candidates WHERE environment = ?1 AND seq <= (
           SELECT seq FROM candidates WHERE environment = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)`,
        row.environment,
        kept,
      );
    },
    /** @param stopped JSON of `Stop`; null: it is taken back */
    setStopped: (name: string, stopped: string | null) => {
      environmentChanged(name, { stopped });
      db.run("UPDATE environments SET stopped = ? WHERE name = ?", stopped, name);
    },
    /** Forgets what is kept here of an environment that is deleted. */
    forgetDeploys: (environment: number) => {
      for (const table of ["arms", "candidates"]) {
        db.run(`DELETE FROM ${table} WHERE environment = ?`, environment);
      }
    },
  };
}
export type DeploysWrites = ReturnType<typeof deploysWrites>;
