import { ok } from "../../../domain/result.ts";
import { accountStub } from "../../../objects/stubs.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import { formatAccessToken } from "../../../protocol/tokens/access-token.ts";
import { listQuery } from "../../../protocol/v3/list.ts";
import * as sessions from "../../../protocol/v3/sessions.ts";
import { anyToken, tokenFor } from "../../admission/access.ts";
import { newAccessSecret, secretSource } from "../../credentials/secrets.ts";
import { originOf } from "../../origin.ts";
import { pageCursors } from "../page-cursors.ts";
import { defineRoute } from "../route.ts";

export const v3SessionRoutes = [
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/sessions",
    version: "v3",
    access: tokenFor("admin"),
    query: listQuery,
    answer: sessions.sessionList,
    names: { session_id: "/sessions/0/id" },
    summary: "List the logins that are live, newest first",
    async handle({ env, params, query }) {
      const page = await accountStub(env, params.account).listSessions(query);
      return page.ok ? ok({ sessions: page.value.items, ...pageCursors(page.value) }) : page;
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/v3/accounts/:account/sessions/:session_id",
    version: "v3",
    access: tokenFor("admin"),
    status: 204,
    summary: "End a login",
    async handle({ env, params: { account, session_id }, caller, forget }) {
      const ended = await accountStub(env, account).deleteSession(session_id, caller);
      if (ended.ok) forget(account, session_id);
      return ended;
    },
  }),
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/login-links",
    version: "v3",
    access: anyToken,
    body: sessions.createLoginLinkBody,
    answer: sessions.loginLink,
    status: 201,
    idempotent: true,
    summary: "Create a link that logs in once, with the rights of the token that asks",
    async handle({ env, request, params: { account }, body, identity, idempotency }) {
      const { id, secret, secretHash } = await newAccessSecret(secretSource(env, account, idempotency));
      const made = await accountStub(env, account).createLoginLink(
        {
          tokenId: identity.tokenId,
          ...(identity.session === undefined ? {} : { sessionId: identity.session.id }),
          expiresInSeconds: body.expires_in_seconds,
          secret: { id, secretHash },
        },
        idempotency,
      );
      if (!made.ok) return made;
      const credential = formatAccessToken({ account, id: made.value.id, secret });
      return ok({
        url: `${originOf(env, request)}/login/${credential}`,
        expires_at: isoTime(made.value.expiresAt),
      });
    },
  }),
];
