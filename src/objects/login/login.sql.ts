import type { LoginAttempt, LoginPerson } from "../../domain/credentials/login-attempt.ts";
import { cliLoginsPerTokenMax } from "../../domain/limits.ts";
import type { Database, Migration } from "../database.ts";

export const loginMigrations: readonly Migration[] = [
  {
    name: "the attempt",
    sql: `
      CREATE TABLE attempt (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        account TEXT NOT NULL,
        token_id TEXT NOT NULL,
        code TEXT NOT NULL,
        wrong_tries INTEGER NOT NULL,
        completed INTEGER NOT NULL,
        expires_at INTEGER NOT NULL
      );
    `,
  },
  { name: "the session that confirmed it", sql: "ALTER TABLE attempt ADD COLUMN session_id TEXT;" },
  {
    name: "many attempts",
    sql: `
      -- What was under way in the objects of one attempt each is begun anew: it lasts ten minutes.
      DROP TABLE attempt;
      CREATE TABLE attempts (
        id TEXT PRIMARY KEY,
        account TEXT NOT NULL,
        token_id TEXT NOT NULL,
        session_id TEXT,
        code TEXT NOT NULL,
        wrong_tries INTEGER NOT NULL,
        completed INTEGER NOT NULL,
        expires_at INTEGER NOT NULL
      ) WITHOUT ROWID;
      CREATE INDEX attempts_expiry ON attempts (expires_at);
      CREATE INDEX attempts_of_token ON attempts (account, token_id, expires_at);
    `,
  },
];

type AttemptRow = {
  account: string;
  token_id: string;
  code: string;
  wrong_tries: number;
  completed: number;
  expires_at: number;
  session_id: string | null;
};

export function loginSql(db: Database) {
  return {
    attempt: (id: string): LoginAttempt | undefined => {
      const row = db.first<AttemptRow>("SELECT * FROM attempts WHERE id = ?", id);
      if (!row) return undefined;
      const { account, token_id, code, wrong_tries, completed, expires_at, session_id } = row;
      return {
        account,
        tokenId: token_id,
        ...(session_id === null ? {} : { sessionId: session_id }),
        code,
        wrongTries: wrong_tries,
        completed: completed === 1,
        expiresAt: expires_at,
      };
    },
    keep: (id: string, attempt: LoginAttempt) =>
      db.run(
        `INSERT OR REPLACE INTO attempts
           (id, account, token_id, code, wrong_tries, completed, expires_at, session_id)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        id,
        attempt.account,
        attempt.tokenId,
        attempt.code,
        attempt.wrongTries,
        attempt.completed ? 1 : 0,
        attempt.expiresAt,
        attempt.sessionId ?? null,
      ),
    /** Deletes those of the attempt's token that are more than may be kept. */
    deleteOldestOf: ({ account, tokenId }: LoginPerson) =>
      db.run(
        `DELETE FROM attempts WHERE id IN
           (SELECT id FROM attempts WHERE account = ? AND token_id = ? ORDER BY expires_at DESC LIMIT -1 OFFSET ?)`,
        account,
        tokenId,
        cliLoginsPerTokenMax,
      ),
    deleteOver: (now: number) => db.run("DELETE FROM attempts WHERE expires_at <= ?", now),
    /** When the next of them is over; null where there is none. */
    nextOver: () =>
      db.first<{ expires_at: number }>("SELECT expires_at FROM attempts ORDER BY expires_at LIMIT 1")
        ?.expires_at ?? null,
  };
}
