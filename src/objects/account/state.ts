import { type FanOut, fanOutBegun } from "../../domain/fan-out.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { ListQuery, Page } from "../../protocol/v3/list.ts";
import type { Idempotency } from "../contract.ts";
import { Database } from "../database.ts";
import type { ExpiringRows } from "../expiries.ts";
import { type IdempotencySql, idempotencyExpiry, idempotencySql } from "../idempotency.sql.ts";
import { type Keys, type Position, readCursor } from "../page.ts";
import {
  type AccountRow,
  type AccountSql,
  type AccountWatchers,
  accountMigrations,
  accountSql,
} from "./account.sql.ts";
import { credentialExpiries } from "./credentials/credentials.sql.ts";

/** An account's storage, and how requests change it. */
export class AccountState {
  readonly db: Database;
  readonly sql: AccountSql;
  readonly idempotency: IdempotencySql;
  readonly expiring: readonly ExpiringRows[];
  /** Names of the services that are being created now. */
  readonly creating = new Set<string>();
  /** Deleted services that are being forgotten now: one of the name is created after that. */
  readonly forgetting = new Map<string, Promise<unknown>>();
  /** How far the services that are behind have come in their present turn: begun anew, it only does a part again. */
  sync: FanOut = fanOutBegun;

  constructor(storage: DurableObjectStorage, watchers: AccountWatchers) {
    this.db = new Database(storage, accountMigrations);
    this.sql = accountSql(this.db, watchers);
    this.idempotency = idempotencySql(this.db.watched(watchers.expiringWritten));
    this.expiring = [idempotencyExpiry(this.db), ...credentialExpiries(this.db)];
  }

  /** The account's row; undefined where it was never set up. */
  account(): AccountRow | undefined {
    return this.db.ready ? this.sql.account() : undefined;
  }

  /**
   * Runs a transaction on an account that exists, once for each idempotency key.
   * @param action gets the account and the time in milliseconds since the epoch
   * @param otherwise the answer of an account that was never set up
   */
  change<T>(
    idempotency: Idempotency | undefined,
    action: (account: AccountRow, now: number) => Result<T>,
    otherwise: Result<T> = noAccount(),
  ): Result<T> {
    const account = this.account();
    if (!account) return otherwise;
    const now = Date.now();
    return this.idempotency.once(idempotency, now, () => action(account, now));
  }

  /** Reads an account that exists. */
  read<T>(action: (account: AccountRow, now: number) => Result<T>): Result<T> {
    return this.change(undefined, action);
  }

  /** Reads a page of a list. @param action gets where it begins */
  page<Key, T>(
    query: ListQuery,
    keys: Keys<Key>,
    action: (from: Position<Key>, account: AccountRow, now: number) => Page<T>,
  ): Result<Page<T>> {
    return this.read((account, now) => {
      const from = readCursor(query, keys);
      return from.ok ? ok(action(from.value, account, now)) : from;
    });
  }
}

/** The answer of an account that was never set up. */
export function noAccount() {
  return fail("account_not_found", "account not found");
}
