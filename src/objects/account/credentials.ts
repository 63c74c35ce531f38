import { type SessionKind, sessionNotFound } from "../../domain/credentials/sessions.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { CreateTokenBody, Token } from "../../protocol/v3/accounts.ts";
import type { ListQuery, Page } from "../../protocol/v3/list.ts";
import type { Session } from "../../protocol/v3/sessions.ts";
import { Alarm } from "../alarm.ts";
import type {
  Actor,
  CredentialsRpc,
  Idempotency,
  Identity,
  LoginLink,
  NewSecret,
  SessionParams,
} from "../contract.ts";
import { Database } from "../database.ts";
import { FollowedObject, Followers } from "../followers.ts";
import { idempotencySql } from "../idempotency.sql.ts";
import { pageStart, toPage } from "../page.ts";
import { accountMigrations, accountSql } from "./account.sql.ts";
import { credentialsSql } from "./credentials.sql.ts";
import { EventNews } from "./events.ts";
import { serviceNotFound } from "./service-setup.ts";
import * as sessions from "./sessions.ts";
import { authenticate, createToken, deleteToken } from "./tokens.ts";
import { tokenView } from "./views.ts";

/** The part of an account that says who acts for it. An object's fields, unlike its methods, are not open to RPC. */
export abstract class AccountCredentials extends FollowedObject implements CredentialsRpc {
  protected readonly db = new Database(this.ctx.storage, accountMigrations);
  protected readonly sql = accountSql(this.db, () => this.eventNews.changed());
  protected readonly wakeUp = new Alarm(this.ctx);
  protected readonly eventNews = new EventNews(this.db, this.sql, new Followers(this.ctx), this.wakeUp);
  readonly #tables: sessions.CredentialTables = { tokens: this.sql, made: credentialsSql(this.db) };
  protected readonly idempotency = idempotencySql(this.db);

  async authenticate(id: string, secretHash: string): Promise<Result<Identity>> {
    if (!this.db.ready) return fail("unauthorized", "the access token is not valid");
    return authenticate(this.sql, this.#tables.made, id, secretHash, Date.now());
  }

  async createToken(
    body: CreateTokenBody,
    secret: NewSecret,
    actor: Actor,
    idempotency?: Idempotency,
  ): Promise<Result<Token>> {
    return this.#once(idempotency, noAccount(), (now) => {
      if (body.service !== undefined && this.sql.service(body.service)?.state !== "live") {
        return serviceNotFound(this.sql, body.service);
      }
      return ok(createToken(this.sql, body, secret, actor, now));
    });
  }

  async listTokens(query: ListQuery): Promise<Result<Page<Token>>> {
    return this.#once(undefined, noAccount(), () => {
      const start = pageStart(query);
      if (!start.ok) return start;
      const rows = this.sql.tokensBefore(start.value, query.limit + 1);
      return ok(toPage(rows, query.limit, ({ seq }) => seq, tokenView));
    });
  }

  async deleteToken(id: string, actor: Actor): Promise<Result<null>> {
    return this.#once(undefined, noAccount(), (now) =>
      deleteToken(this.sql, this.#tables.made, id, actor, now),
    );
  }

  async createSession(
    wish: SessionParams & { tokenId: string; kind: SessionKind },
  ): Promise<Result<Session>> {
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

  async deleteSession(id: string, actor: Actor): Promise<Result<null>> {
    return this.#once(undefined, sessionNotFound(id), (now) =>
      sessions.endSession(this.#tables, id, actor, now),
    );
  }

  async createLoginLink(
    link: { tokenId: string; expiresInSeconds: number; secret: NewSecret },
    idempotency?: Idempotency,
  ): Promise<Result<LoginLink>> {
    return this.#once(idempotency, noAccount(), (now) => sessions.addLoginLink(this.#tables, link, now));
  }

  async useLoginLink(link: NewSecret, session: SessionParams): Promise<Result<Session>> {
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
    return this.idempotency.once(idempotency, now, () => action(now));
  }
}

/** The answer of an account that was never set up. */
export function noAccount() {
  return fail("account_not_found", "account not found");
}
