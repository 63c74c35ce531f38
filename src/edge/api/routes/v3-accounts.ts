import { fail, ok } from "../../../domain/result.ts";
import { accountStub } from "../../../objects/stubs.ts";
import { formatAccessToken } from "../../../protocol/tokens/access-token.ts";
import * as accounts from "../../../protocol/v3/accounts.ts";
import { listQuery } from "../../../protocol/v3/list.ts";
import { rootAccess, tokenFor } from "../../admission/access.ts";
import { newAccessSecret, secretSource } from "../../credentials/secrets.ts";
import { callNamedAccount } from "../../named-account.ts";
import { pageCursors } from "../page-cursors.ts";
import { defineRoute } from "../route.ts";

export const v3AccountRoutes = [
  defineRoute({
    method: "POST",
    path: "/v3/accounts",
    version: "v3",
    access: rootAccess,
    body: accounts.createAccountBody,
    answer: accounts.createdAccount,
    status: 201,
    names: { account: "/name" },
    idempotent: true,
    summary: "Create an account and its first admin token",
    async handle({ env, body, idempotency }) {
      const admin = await newAccessSecret(secretSource(env, body.name, idempotency));
      const stored = { id: admin.id, secretHash: admin.secretHash };
      const created = await accountStub(env, body.name).create(body.name, stored, idempotency);
      if (!created.ok) return created;
      const { name, token } = created.value;
      const secretToken = formatAccessToken({ account: name, id: token.id, secret: admin.secret });
      return ok({ name, token: { ...token, secret_token: secretToken } });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account",
    version: "v3",
    access: tokenFor("read"),
    answer: accounts.account,
    summary: "The account, with what it uses of its quotas",
    handle: ({ env, params: { account } }) => accountStub(env, account).describe(),
  }),
  defineRoute({
    method: "PATCH",
    path: "/v3/accounts/:account",
    version: "v3",
    access: rootAccess,
    body: accounts.patchAccountBody,
    answer: accounts.account,
    summary: "Set the account's quotas; null: the default",
    async handle({ env, params: { account }, body }) {
      const set = await callNamedAccount(env, account, (named) => named.setQuotas(body.quotas));
      return set ?? fail("account_not_found", `account \`${account}\` not found`);
    },
  }),
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/tokens",
    version: "v3",
    access: tokenFor("admin"),
    body: accounts.createTokenBody,
    answer: accounts.createdToken,
    status: 201,
    names: { token_id: "/id" },
    idempotent: true,
    summary: "Create an access token",
    async handle({ env, params: { account }, body, caller }) {
      const { id, secret, secretHash } = await newAccessSecret(
        secretSource(env, account, caller.idempotency),
      );
      const stored = { id, secretHash };
      const created = await accountStub(env, account).createToken(body, stored, caller);
      if (!created.ok) return created;
      const secretToken = formatAccessToken({ account, id: created.value.id, secret });
      return ok({ ...created.value, secret_token: secretToken });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/tokens",
    version: "v3",
    access: tokenFor("admin"),
    query: listQuery,
    answer: accounts.tokenList,
    names: { token_id: "/tokens/0/id" },
    summary: "List access tokens, newest first",
    async handle({ env, params, query }) {
      const page = await accountStub(env, params.account).listTokens(query);
      return page.ok ? ok({ tokens: page.value.items, ...pageCursors(page.value) }) : page;
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/v3/accounts/:account/tokens/:token_id",
    version: "v3",
    access: tokenFor("admin"),
    status: 204,
    summary: "Revoke an access token",
    async handle({ env, params: { account, token_id }, caller, forget }) {
      const revoked = await accountStub(env, account).deleteToken(token_id, caller);
      if (revoked.ok) forget(account, token_id);
      return revoked;
    },
  }),
];
