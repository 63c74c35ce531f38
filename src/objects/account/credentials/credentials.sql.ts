import type { SessionKind } from "../../../domain/credentials/sessions.ts";
import type { Database, Migration } from "../../database.ts";

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

/** What is made from access tokens, and ends with them. Times in milliseconds since the epoch. */
export function credentialsSql(db: Database) {
  /** Makes room for one more of a token's: those that have expired go, and of its own all but the newest. */
  const makeRoom = (table: "sessions" | "login_links", token: string, max: number, now: number) => {
    db.run(`DELETE FROM ${table} WHERE expires_at <= ?`, now);
    db.run(
      `DELETE FROM ${table} WHERE token_id = ?1 AND seq NOT IN
         (SELECT seq FROM ${table} WHERE token_id = ?1 ORDER BY seq DESC LIMIT ?2)`,
      token,
      max - 1,
    );
  };
  return {
    session: (id: string) => db.first<SessionRow>("SELECT * FROM sessions WHERE id = ?", id),
    liveSessionsBefore: (seq: number, limit: number, now: number) =>
      db.all<SessionRow>(
        "SELECT * FROM sessions WHERE seq < ? AND expires_at > ? ORDER BY seq DESC LIMIT ?",
        seq,
        now,
        limit,
      ),
    makeRoomForSession: (token: string, max: number, now: number) => makeRoom("sessions", token, max, now),
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
    makeRoomForLoginLink: (token: string, max: number, now: number) =>
      makeRoom("login_links", token, max, now),
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
