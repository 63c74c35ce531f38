import { DurableObject } from "cloudflare:workers";
import { storageCheckBytes } from "../../domain/limits.ts";
import type { AccountRegisterRpc, AccountStanding, DirectoryRpc, StorageCheckRpc } from "../contract.ts";
import { Database } from "../database.ts";
import type { Env } from "../env.ts";
import type { PlacedService } from "../rpc-types.ts";
import { AccountRegister } from "./account-register.ts";
import { directoryMigrations, directorySql } from "./directory.sql.ts";

/**
 * Which service a code belongs to. Written when the service is created, never changed, and freed
 * some time after nothing of it lives. One of them is the register of
 * accounts, and one is for checking storage.
 */
export class Directory
  extends DurableObject<Env>
  implements DirectoryRpc, AccountRegisterRpc, StorageCheckRpc
{
  readonly #db = new Database(this.ctx.storage, directoryMigrations);
  readonly #sql = directorySql(this.#db);
  readonly #register = new AccountRegister(this.#db, this.#sql, this.env);

  async claim(code: string, claimant: PlacedService): Promise<boolean> {
    if (!this.#db.ready) this.#db.migrate();
    return this.#db.transaction(() => {
      const owner = this.#sql.owner(code);
      if (owner) return owner.account === claimant.account && owner.service === claimant.service;
      return this.#sql.insert(code, claimant);
    });
  }

  async lookup(code: string): Promise<PlacedService | null> {
    if (!this.#db.ready) return null;
    return this.#sql.owner(code) ?? null;
  }

  async release(code: string, account: string, service: string): Promise<void> {
    if (this.#db.ready) this.#sql.release(code, account, service);
  }

  async owners(): Promise<string[]> {
    return this.#db.ready ? this.#sql.owners() : [];
  }

  registerAccount(name: string, isNew: boolean): Promise<void> {
    return this.#register.add(name, isNew, Date.now());
  }

  async accountStanding(name: string): Promise<AccountStanding> {
    return this.#register.standing(name, Date.now());
  }

  async checkStorage(): Promise<void> {
    if (!this.#db.ready) this.#db.migrate();
    this.#sql.writeCheck(storageCheckBytes);
  }
}
