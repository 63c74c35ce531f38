import type { Result } from "../../domain/result.ts";
import type { SessionKind } from "../../domain/sessions.ts";
import type { CreateTokenBody, Token } from "../../protocol/v3/accounts.ts";
import type { ListQuery, Page } from "../../protocol/v3/list.ts";
import type { Session } from "../../protocol/v3/sessions.ts";
import type { Actor, Idempotency, Identity, NewSecret } from "../contract.ts";

/** Who acts for an account: its access tokens, the sessions made from them, and links that make one. */
export interface CredentialsRpc {
  /** `unauthorized` for a token or session that is unknown, wrong, revoked or expired. */
  authenticate(id: string, secretHash: string): Promise<Result<Identity>>;

  createToken(
    body: CreateTokenBody,
    secret: NewSecret,
    actor: Actor,
    idempotency?: Idempotency,
  ): Promise<Result<Token>>;
  listTokens(query: ListQuery): Promise<Result<Page<Token>>>;
  /** `token_not_found`, or `last_admin_token` where nobody could administer the account any more. */
  deleteToken(id: string, actor: Actor): Promise<Result<null>>;

  /**
   * Logs the holder of an access token in. The oldest of too many sessions of one token ends.
   * `token_not_found` where the token is revoked or expired, `forbidden` for an agent's.
   */
  createSession(wish: SessionWish & { tokenId: string; kind: SessionKind }): Promise<Result<Session>>;
  /** Those that live, newest first. */
  listSessions(query: ListQuery): Promise<Result<Page<Session>>>;
  /** `session_not_found` where there is none that lives. */
  deleteSession(id: string, actor: Actor): Promise<Result<null>>;

  /** Makes a link that logs in once, as the holder of this token. Failures as of `createSession`. */
  createLoginLink(
    link: { tokenId: string; expiresInSeconds: number; secret: NewSecret },
    idempotency?: Idempotency,
  ): Promise<Result<LoginLink>>;
  /** Uses a link up for a browser session. `login_link_not_found`, whether it is unknown, wrong, used or expired. */
  useLoginLink(link: NewSecret, session: SessionWish): Promise<Result<Session>>;
}

export interface SessionWish {
  userAgent: string;
  secret: NewSecret;
}

export interface LoginLink {
  id: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}
