import { makersOfNew } from "../../../domain/credentials/makers.ts";
import { tokenRights } from "../../../domain/credentials/rights.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { constantTimeEqual } from "../../../protocol/tokens/access-token.ts";
import type { CreateTokenBody, Token } from "../../../protocol/v3/accounts.ts";
import type { ListQuery, Page } from "../../../protocol/v3/list.ts";
import type { Actor, Identity, NewSecret } from "../../contract.ts";
import { newestFirst, pageAt } from "../../page.ts";
import type { AccountSql } from "../account.sql.ts";
import { recordEvent } from "../events/events.ts";
import { checkOneMore } from "../quotas/quotas.ts";
import type { TokenRow } from "../rows.ts";
import type { AccountState } from "../state.ts";
import type { SessionRow } from "./credentials.sql.ts";
import { identityOf, sessionIdentity, tokenView } from "./views.ts";

/** Whose token or session this is. @param now milliseconds since the epoch, as in all of these */
export function authenticate(sql: AccountSql, id: string, secretHash: string, now: number): Result<Identity> {
  const found = find(sql, id);
  if (!found || !constantTimeEqual((found.session ?? found.token).secret_hash, secretHash)) return notValid();
  return identityOfLive(sql, found, now);
}

/** The same for one that is named by what the deployment has signed, without its secret. */
export function identityOfCredential(sql: AccountSql, id: string, now: number): Result<Identity> {
  const found = find(sql, id);
  return found ? identityOfLive(sql, found, now) : notValid();
}

/** Tokens, newest first. */
export function listTokens(state: Pick<AccountState, "sql" | "page">, query: ListQuery): Result<Page<Token>> {
  const listed = { read: state.sql.tokensBeyond, keyOf: ({ seq }: TokenRow) => seq, item: tokenView };
  return state.page(query, newestFirst, (from) => pageAt(from, query.limit, listed));
}

/** A session is nothing without its token. */
interface Credential {
  token: TokenRow;
  session: SessionRow | undefined;
}

function find(sql: AccountSql, id: string): Credential | null {
  const named = sql.token(id);
  const session = named ? undefined : sql.session(id);
  const token = session ? sql.token(session.token_id) : named;
  return token ? { token, session } : null;
}

function identityOfLive(sql: AccountSql, { token, session }: Credential, now: number): Result<Identity> {
  const account = sql.account();
  if (!account) return notValid();
  if ([token, session].some((one) => typeof one?.expires_at === "number" && one.expires_at <= now)) {
    return fail("unauthorized", "the access token has expired");
  }
  const cluster = token.cluster === null ? undefined : sql.cluster(token.cluster);
  const identity = identityOf(account.name, token, cluster);
  return ok(session ? sessionIdentity(identity, session) : identity);
}

/** The answer for every credential that authenticates nobody. */
export function notValid() {
  return fail("unauthorized", "the access token is not valid");
}

type NewToken = Omit<CreateTokenBody, "role"> & { role: CreateTokenBody["role"] | "agent"; cluster?: string };

/**
 * Adds a token with all who are above it, inside a transaction. Fails as `makersOfNew` does.
 * @param maker null for the deployment itself
 */
export function addToken(
  sql: AccountSql,
  token: NewToken,
  secret: NewSecret,
  maker: Actor | null,
  now: number,
): Result<Token> {
  const makers = makersOfNew(maker);
  if (!makers.ok) return makers;
  const rights = tokenRights.filter((right) => token.rights?.includes(right));
  const row = {
    id: secret.id,
    secret_hash: secret.secretHash,
    name: token.name,
    role: token.role,
    service: token.service ?? null,
    environments: token.environments === undefined ? null : JSON.stringify(token.environments),
    cluster: token.cluster ?? null,
    created_at: now,
    expires_at: token.expires_in_seconds === undefined ? null : now + token.expires_in_seconds * 1000,
    rights: rights.length === 0 ? null : JSON.stringify(rights),
    makers: makers.value.length === 0 ? null : JSON.stringify(makers.value),
    maker_name: maker?.tokenName ?? null,
  };
  sql.insertToken(row);
  return ok(tokenView({ seq: 0, ...row }));
}

/** The token with which an account begins: it is the deployment's root token that makes it. */
export function addFirstToken(sql: AccountSql, secret: NewSecret, now: number): Result<Token> {
  return addRequestedToken(sql, { name: "first admin", role: "admin" }, secret, null, now);
}

/**
 * Adds a token that was requested; `quota_exceeded` where the account has as many as it may, `forbidden` where its maker may make
 * none any more (`makersOfNew`).
 */
export function createToken(
  sql: AccountSql,
  token: CreateTokenBody,
  secret: NewSecret,
  actor: Actor,
  now: number,
): Result<Token> {
  const checked = checkOneMore(sql, "tokens");
  return checked.ok ? addRequestedToken(sql, token, secret, actor, now) : checked;
}

function addRequestedToken(
  sql: AccountSql,
  token: CreateTokenBody,
  secret: NewSecret,
  actor: Actor | null,
  now: number,
): Result<Token> {
  const added = addToken(sql, token, secret, actor, now);
  if (!added.ok) return added;
  const { id, name, role, rights } = added.value;
  const details = { token_id: id, token_name: name, role, ...(rights.length === 0 ? {} : { rights }) };
  recordEvent(sql, { type: "token.created", actor, details }, now);
  return added;
}

/** Revokes a token and what was made from it, unless nobody could administer the account after it. */
export function deleteToken(sql: AccountSql, id: string, actor: Actor, now: number): Result<null> {
  const token = sql.token(id);
  if (!token) return fail("token_not_found", `token \`${id}\` not found`);
  if (token.role === "agent") {
    return fail("bad_request", `token \`${id}\` belongs to cluster \`${token.cluster}\` and goes with it`);
  }
  const lasting = sql.lastingAdmins();
  if (lasting.length === 1 && lasting[0]?.id === id) {
    return fail(
      "last_admin_token",
      "this is the account's last lasting admin token; create another one first",
    );
  }
  sql.deleteToken(id);
  sql.deleteAllOfToken(id);
  recordEvent(sql, { type: "token.revoked", actor, details: { token_id: id, token_name: token.name } }, now);
  return ok(null);
}
