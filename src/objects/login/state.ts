import type { LoginAttempt } from "../../domain/credentials/login-attempt.ts";
import { Database } from "../database.ts";
import { loginMigrations, loginSql } from "./login.sql.ts";

/** A login's storage, which is empty until a person confirms it and again when it is over. */
export class LoginState {
  readonly #storage: DurableObjectStorage;
  #db: Database;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#db = new Database(storage, loginMigrations);
  }

  attempt(): LoginAttempt | undefined {
    return this.#db.ready ? loginSql(this.#db).attempt() : undefined;
  }

  keep(attempt: LoginAttempt): void {
    if (!this.#db.ready) this.#db.migrate();
    loginSql(this.#db).keep(attempt);
  }

  async clear(): Promise<void> {
    await this.#storage.deleteAll();
    this.#db = new Database(this.#storage, loginMigrations);
  }
}
