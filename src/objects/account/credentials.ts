import { DurableObject } from "cloudflare:workers";
import { fail, ok, type Result } from "../../domain/result.ts";
import { type SessionKind, sessionNotFound } from "../../domain/sessions.ts";
import type { ListQuery, Page } from "../../protocol/v3/list.ts";
import type { Session } from "../../protocol/v3/sessions.ts";
import type {
  CredentialsRpc,
  Idempotency,
  Identity,
  LoginLink,
  NewSecret,
  SessionWish,
} from "../contract.ts";
import { Database } from "../database.ts";
import type { Env } from "../env.ts";
import { idempotencySql } from "../idempotency.sql.ts";
import { pageStart, toPage } from "../page.ts";
import { accountMigrations, accountSql } from "./account.sql.ts";
import { credentialsSql } from "./credentials.sql.ts";
import * as sessions from "./sessions.ts";
import { authenticate } from "./tokens.ts";

/** The part of an account that says who acts for it. An object's fields, unlike its methods, are not open to RPC. */
export abstract class AccountCredentials extends DurableObject<Env> implements CredentialsRpc {
  protected readonly db = new Database(this.ctx.storage, accountMigrations);
  readonly #tables: sessions.CredentialTables = {
    tokens: accountSql(this.db),
    made: credentialsSql(this.db),
  };
  readonly #accounts = accountSql(this.db);
  readonly #idempotency = idempotencySql(this.db);

  async authenticate(id: string, secretHash: string): Promise<Result<Identity>> {
    if (!this.db.ready) return fail("unauthorized", "the access token is not valid");
    return authenticate(this.#accounts, this.#tables.made, id, secretHash, Date.now());
  }

  async createSession(wish: SessionWish & { tokenId: string; kind: SessionKind }): Promise<Result<Session>> {
    return this.#once(undefined, noAccount(), (now) => sessions.addSession(this.#tables, wish, now));
  }

  async listSessions(query: ListQuery): Promise<Result<Page<Session>>> {
    return this.#once(undefined, noAccount(), (now) => {
      const start = pageStart(query);
      if (!start.ok) return start;
      const rows = this.#tables.made.liveSessionsBefore(start.value, query.limit + 1, now);
      return ok(toPage(rows, query.limit, ({ seq }) => seq, sessions.sessionView));
    });
  }

  async deleteSession(id: string): Promise<Result<null>> {
    return this.#once(undefined, sessionNotFound(id), (now) => sessions.endSession(this.#tables, id, now));
  }

  async createLoginLink(
    link: { tokenId: string; expiresInSeconds: number; secret: NewSecret },
    idempotency?: Idempotency,
  ): Promise<Result<LoginLink>> {
    return this.#once(idempotency, noAccount(), (now) => sessions.addLoginLink(this.#tables, link, now));
  }

  async useLoginLink(link: NewSecret, session: SessionWish): Promise<Result<Session>> {
    return this.#once(undefined, sessions.loginLinkNotFound(), (now) =>
      sessions.redeemLoginLink(this.#tables, link, session, now),
    );
  }

  /** A transaction, or `otherwise` where the account was never set up. */
  #once<T>(
    idempotency: Idempotency | undefined,
    otherwise: Result<T>,
    action: (now: number) => Result<T>,
  ): Result<T> {
    if (!this.db.ready) return otherwise;
    const now = Date.now();
    return this.#idempotency.once(idempotency, now, () => action(now));
  }
}

function noAccount() {
  return fail("account_not_found", "account not found");
}
