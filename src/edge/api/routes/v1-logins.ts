import { mayEndSession } from "../../../domain/credentials/sessions.ts";
import { ok } from "../../../domain/result.ts";
import { accountStub, loginStub } from "../../../objects/stubs.ts";
import * as login from "../../../protocol/jamsocket/login.ts";
import { statusOk } from "../../../protocol/jamsocket/v1.ts";
import { sseHeaders } from "../../../protocol/sse.ts";
import { anyToken, publicAccess } from "../../admission/access.ts";
import { beginCliLogin, completeCliLogin, readCliLogin } from "../../credentials/cli-login.ts";
import { followCliLogin } from "../../streams/cli-login-stream.ts";
import { withKeepAlive } from "../../streams/keep-alive.ts";
import { defineRoute } from "../route.ts";

export const v1LoginRoutes = [
  defineRoute({
    method: "POST",
    path: "/user-session/:session_id/delete",
    version: "v1",
    access: anyToken,
    answer: statusOk,
    summary: "Log out",
    async handle({ env, identity, caller, params: { session_id }, forget }) {
      const permitted = mayEndSession(identity, session_id);
      if (!permitted.ok) return permitted;
      const ended = await accountStub(env, identity.account).deleteSession(session_id, caller);
      if (!ended.ok) return ended;
      forget(identity.account, session_id);
      return ok({ status: "ok" } as const);
    },
  }),
  defineRoute({
    method: "POST",
    path: "/cli-login",
    version: "v1",
    access: publicAccess,
    answer: login.cliLoginAnswer,
    summary: "Begin a login in the browser",
    handle: async ({ env, request }) => ok({ token: await beginCliLogin(env, request) }),
  }),
  defineRoute({
    method: "GET",
    path: "/cli-login/:login/status/stream",
    version: "v1",
    access: publicAccess,
    produces: "text/event-stream",
    summary: "Wait for a login in the browser",
    async handle({ env, params }) {
      const begun = await readCliLogin(env, params.login);
      if (!begun.ok) return begun;
      const { id, expiresAt } = begun.value;
      const waitConfirmed = (ms: number) => loginStub(env, id).waitConfirmed(id, ms);
      const events = followCliLogin({ waitConfirmed }, expiresAt);
      return new Response(withKeepAlive(events), { headers: sseHeaders });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/cli-login/:login/complete",
    version: "v1",
    access: publicAccess,
    body: login.completeCliLoginBody,
    answer: login.userSession,
    summary: "Complete a login in the browser",
    async handle({ env, params, body }) {
      const completed = await completeCliLogin(env, params.login, body.code);
      if (!completed.ok) return completed;
      const { session, token } = completed.value;
      return ok({
        uuid: session.id,
        user_id: session.token_id,
        user_agent: session.user_agent,
        created_at: session.created_at,
        expiration: session.expires_at,
        token,
        user_is_admin: false as const,
      });
    },
  }),
];
