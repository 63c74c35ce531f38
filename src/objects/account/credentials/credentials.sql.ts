import type { SessionKind } from "../../../domain/credentials/sessions.ts";
import { expiredTokensKeptMs } from "../../../domain/limits.ts";
import type { Database, Migration } from "../../database.ts";
import type { ExpiringRows } from "../../expiries.ts";
import { keyset } from "../../keyset.sql.ts";
import type { Position } from "../../page.ts";

export const sessionsMigration: Migration = {
  name: "sessions and login links",
  sql: `
    CREATE TABLE sessions (
      seq INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      secret_hash TEXT NOT NULL,
      token_id TEXT NOT NULL,
      kind TEXT NOT NULL,
      user_agent TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      expires_at INTEGER NOT NULL
    );
    CREATE TABLE login_links (
      seq INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      secret_hash TEXT NOT NULL,
      token_id TEXT NOT NULL,
      expires_at INTEGER NOT NULL
    );
  `,
};

export const linksOfSessionsMigration: Migration = {
  name: "the session that made a login link",
  sql: "ALTER TABLE login_links ADD COLUMN session_id TEXT;",
};

export const rightsMigration: Migration = {
  name: "rights of tokens, and who made them",
  sql: `
    ALTER TABLE tokens ADD COLUMN rights TEXT; -- JSON list
    ALTER TABLE tokens ADD COLUMN makers TEXT; -- JSON list of ids, the nearest first
    ALTER TABLE tokens ADD COLUMN maker_name TEXT;
  `,
};

/** Rows of a partial index are found by conditions that imply its own. */
export const expiryMigration: Migration = {
  name: "credentials by the time when they expire",
  sql: `
    CREATE INDEX tokens_expiry ON tokens (expires_at) WHERE expires_at IS NOT NULL;
    CREATE INDEX sessions_expiry ON sessions (expires_at);
    CREATE INDEX login_links_expiry ON login_links (expires_at);
  `,
};

export type SessionRow = {
  seq: number;
  id: string;
  secret_hash: string;
  token_id: string;
  kind: SessionKind;
  user_agent: string;
  created_at: number;
  expires_at: number;
};

export type LoginLinkRow = Pick<SessionRow, "seq" | "id" | "secret_hash" | "token_id" | "expires_at"> & {
  session_id: string | null;
};

/**
 * What is made from access tokens, and ends with them; `credentialExpiries` deletes what has expired. Times in milliseconds
 * since the epoch.
 */
export function credentialsSql(db: Pick<Database, "all" | "first" | "run">) {
  /** Makes room for one more of a token's: all but the newest go. */
  const makeRoom = (table: "sessions" | "login_links", token: string, max: number) => {
    db.run(
      `DELETE FROM ${table} WHERE token_id = ?1 AND seq NOT IN
         (SELECT seq FROM ${table} WHERE token_id = ?1 ORDER BY seq DESC LIMIT ?2)`,
      token,
      max - 1,
    );
  };
  return {
    session: (id: string) => db.first<SessionRow>("SELECT * FROM sessions WHERE id = ?", id),
    liveSessionsBeyond: ({ key, leadsBack }: Position<number>, limit: number, now: number) => {
      const { past, order } = keyset("seq", leadsBack);
      return db.all<SessionRow>(
        `SELECT * FROM sessions WHERE ${past} AND expires_at > ?2 ORDER BY ${order} LIMIT ?3`,
        key,
        now,
        limit,
      );
    },
    makeRoomForSession: (token: string, max: number) => makeRoom("sessions", token, max),
    insertSession: (row: Omit<SessionRow, "seq">) =>
      db.run(
        `INSERT INTO sessions (id, secret_hash, token_id, kind, user_agent, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
        row.id,
        row.secret_hash,
        row.token_id,
        row.kind,
        row.user_agent,
        row.created_at,
        row.expires_at,
      ),
    deleteSession: (id: string) => db.run("DELETE FROM sessions WHERE id = ?", id),

    loginLink: (id: string) => db.first<LoginLinkRow>("SELECT * FROM login_links WHERE id = ?", id),
    makeRoomForLoginLink: (token: string, max: number) => makeRoom("login_links", token, max),
    insertLoginLink: (row: Omit<LoginLinkRow, "seq">) =>
      db.run(
        "INSERT INTO login_links (id, secret_hash, token_id, expires_at, session_id) VALUES (?, ?, ?, ?, ?)",
        row.id,
        row.secret_hash,
        row.token_id,
        row.expires_at,
        row.session_id,
      ),
    deleteLoginLink: (id: string) => db.run("DELETE FROM login_links WHERE id = ?", id),

    /** What was made from a token that is revoked. */
    deleteAllOfToken: (token: string) => {
      db.run("DELETE FROM sessions WHERE token_id = ?", token);
      db.run("DELETE FROM login_links WHERE token_id = ?", token);
    },
  };
}
export type CredentialsSql = ReturnType<typeof credentialsSql>;

/** The credentials that expire, as they go: tokens some time later than what was made from them, since they are listed. */
export function credentialExpiries(db: Pick<Database, "first" | "run">): ExpiringRows[] {
  const expiring = (table: "tokens" | "sessions" | "login_links", keptMs: number): ExpiringRows => ({
    firstDue() {
      const first = db.first<{ at: number }>(
        `SELECT expires_at AS at FROM ${table} WHERE expires_at IS NOT NULL ORDER BY expires_at LIMIT 1`,
      );
      return first ? first.at + keptMs : null;
    },
    deleteDue: (now, atOnce) =>
      db.run(
        `DELETE FROM ${table} WHERE seq IN (
           SELECT seq FROM ${table} WHERE expires_at IS NOT NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?)`,
        now - keptMs,
        atOnce,
      ),
  });
  return [expiring("tokens", expiredTokensKeptMs), expiring("sessions", 0), expiring("login_links", 0)];
}
