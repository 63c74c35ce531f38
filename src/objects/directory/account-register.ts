import { idAlphabet } from "../../domain/ids.ts";
import { olderAccountsAskedMs } from "../../domain/limits.ts";
import type { AccountStanding } from "../contract.ts";
import type { Database } from "../database.ts";
import type { Env } from "../env.ts";
import { directoryStub } from "../stubs.ts";
import type { directorySql } from "./directory.sql.ts";

/**
 * The names of all accounts. An object that is asked exists from then on, if only as an empty file: so nobody asks an
 * account that a stranger has named before its name was found here, where looking writes nothing.
 *
 * Accounts that are older than the register are taken over from the directory of services when the first name is added.
 * Those without a service are added at their first use, for which there is some time.
 */
export class AccountRegister {
  readonly #db: Database;
  readonly #sql: ReturnType<typeof directorySql>;
  readonly #env: Pick<Env, "DIRECTORY">;

  constructor(db: Database, sql: ReturnType<typeof directorySql>, env: Pick<Env, "DIRECTORY">) {
    this.#db = db;
    this.#sql = sql;
    this.#env = env;
  }

  /** @param isNew whether the account is only being created @param now milliseconds since the epoch */
  async add(name: string, isNew: boolean, now: number): Promise<void> {
    const owners = this.#olderUntil() === null ? await this.#owners() : [];
    if (!this.#db.ready) this.#db.migrate();
    this.#db.transaction(() => {
      this.#sql.addAccount(name);
      if (this.#olderUntil() !== null) return;
      const older = owners.filter((owner) => this.#sql.addAccount(owner));
      this.#sql.setOlderAccountsUntil(isNew && older.length === 0 ? 0 : now + olderAccountsAskedMs);
    });
  }

  /** @param now milliseconds since the epoch */
  standing(name: string, now: number): AccountStanding {
    if (this.#db.ready && this.#sql.hasAccount(name)) return "known";
    const until = this.#olderUntil();
    return until === null || now < until ? "unsure" : "unknown";
  }

  /** Until when there may be accounts that are not here; null where that is not decided, as long as nobody was added. */
  #olderUntil(): number | null {
    return this.#db.ready ? this.#sql.olderAccountsUntil() : null;
  }

  async #owners(): Promise<string[]> {
    const shards = Array.from(idAlphabet, (code) => directoryStub(this.#env, code).owners());
    return (await Promise.all(shards)).flat();
  }
}
