import type { LoginAttempt } from "../../domain/credentials/login-attempt.ts";
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
    attempt: (): LoginAttempt | undefined => {
      const row = db.first<AttemptRow>("SELECT * FROM attempt");
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
    keep: (attempt: LoginAttempt) =>
      db.run(
        `INSERT OR REPLACE INTO attempt
           (id, account, token_id, code, wrong_tries, completed, expires_at, session_id)
         VALUES (1, ?, ?, ?, ?, ?, ?, ?)`,
        attempt.account,
        attempt.tokenId,
        attempt.code,
        attempt.wrongTries,
        attempt.completed ? 1 : 0,
        attempt.expiresAt,
        attempt.sessionId ?? null,
      ),
  };
}
