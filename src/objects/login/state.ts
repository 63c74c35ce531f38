import type { LoginAttempt } from "../../domain/credentials/login-attempt.ts";
import { Database } from "../database.ts";
import { loginMigrations, loginSql } from "./login.sql.ts";

/** The confirmed logins of an object, whose storage is empty while there are none. */
export class LoginState {
  readonly #db: Database;

  constructor(storage: DurableObjectStorage) {
    this.#db = new Database(storage, loginMigrations);
  }

  attempt(id: string): LoginAttempt | undefined {
    return this.#db.ready ? loginSql(this.#db).attempt(id) : undefined;
  }

  /** Keeps an attempt; the oldest of too many that one token has confirmed go. */
  keep(id: string, attempt: LoginAttempt): void {
    if (!this.#db.ready) this.#db.migrate();
    const sql = loginSql(this.#db);
    this.#db.transaction(() => {
      sql.keep(id, attempt);
      sql.deleteOldestOf(attempt);
    });
  }

  /** Forgets what is over at `now`. @returns when the next one is; null where none is left, and nothing is stored */
  async forgetOver(now: number): Promise<number | null> {
    if (this.#db.ready) {
      const sql = loginSql(this.#db);
      sql.deleteOver(now);
      const next = sql.nextOver();
      if (next !== null) return next;
    }
    await this.#db.clear();
    return null;
  }
}
