import { DurableObject } from "cloudflare:workers";
import type { DirectoryRpc } from "../contract.ts";
import { Database } from "../database.ts";
import type { Env } from "../env.ts";
import { directoryMigrations, directorySql } from "./directory.sql.ts";

/** Which service a code belongs to. Written once when the service is created, never changed. */
export class Directory extends DurableObject<Env> implements DirectoryRpc {
  readonly #db = new Database(this.ctx.storage, directoryMigrations);
  readonly #sql = directorySql(this.#db);

  async claim(code: string, account: string, service: string): Promise<boolean> {
    if (!this.#db.ready) this.#db.migrate();
    return this.#db.transaction(() => {
      const owner = this.#sql.owner(code);
      if (owner) return owner.account === account && owner.service === service;
      return this.#sql.insert(code, account, service);
    });
  }

  async lookup(code: string): Promise<{ account: string; service: string } | null> {
    if (!this.#db.ready) return null;
    return this.#sql.owner(code) ?? null;
  }
}
