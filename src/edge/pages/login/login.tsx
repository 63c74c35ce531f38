import { errorStatus } from "../../../domain/errors.ts";
import type { Failure } from "../../../domain/result.ts";
import { accountStub } from "../../../objects/stubs.ts";
import { tokenCredential } from "../../admission/credential.ts";
import { identify } from "../../admission/identify.ts";
import type { IsolateState } from "../../admission/isolate-state.ts";
import { personOf, redeemLoginLink, type StartedSession, startSession } from "../../credentials/sessions.ts";
import type { MatchedRequest } from "../../path-params.ts";
import { Command } from "../elements/command.tsx";
import { readForm, redirect, refusalPage, visitorOf } from "../frame/run-page.tsx";
import { cookieHeader } from "../frame/session.ts";
import type { View } from "../frame/view.ts";
import { ownPath } from "./own-path.ts";
import { foreignForm, ownForm, publicPage } from "./public-page.ts";

/** The login form for an access token. */
export function loginPage({ request }: MatchedRequest): Promise<Response> {
  const next = new URL(request.url).searchParams.get("next") ?? "";
  return publicPage(request, (csrf) => tokenForm(csrf, next));
}

/** Logs the holder of an access token in. */
export async function logIn({ request, env }: MatchedRequest, { tokens }: IsolateState): Promise<Response> {
  const fields = await ownForm(request);
  if (!fields.ok) return refusalPage(request, null, fields.error);
  const { token = "", next = "" } = fields.value;
  const again = (failure: Failure) => publicPage(request, (csrf) => tokenForm(csrf, next), failure);
  const identity = await identify(env, tokenCredential(token.trim()), tokens);
  if (!identity.ok) return again(identity.error);
  const person = personOf(identity.value);
  const started = await startSession(env, person, "browser", request.headers.get("user-agent"));
  return started.ok ? welcome(request, started.value, next) : again(started.error);
}

/** Has a login link confirmed by a button, so that link previews and scanners do not use it up. */
export function loginLinkPage({ request }: MatchedRequest): Promise<Response> {
  return publicPage(request, linkForm);
}

export async function useLoginLink({ request, env, params }: MatchedRequest): Promise<Response> {
  const fields = await ownForm(request);
  if (!fields.ok) return refusalPage(request, null, fields.error);
  const started = await redeemLoginLink(env, params.link ?? "", request.headers.get("user-agent"));
  return started.ok ? welcome(request, started.value, "") : refusalPage(request, null, started.error);
}

/** Ends the session in the account, and deletes its cookie. */
export async function logOut({ request, env }: MatchedRequest, state: IsolateState): Promise<Response> {
  const visitor = await visitorOf({ request, env }, state);
  if (!visitor.ok) return refusalPage(request, null, visitor.error);
  if (visitor.value === null) return redirect("/login");
  const fields = await readForm(request);
  if (!fields.ok || fields.value.csrf !== visitor.value.csrf)
    return refusalPage(request, null, foreignForm.error);
  const { identity, caller } = visitor.value;
  const { account, session } = identity;
  if (session) {
    const ended = await accountStub(env, account).deleteSession(session.id, caller);
    if (!ended.ok && errorStatus[ended.error.code] >= 500) return refusalPage(request, null, ended.error);
    state.tokens.forget(account, session.id);
  }
  return redirect("/login", cookieHeader(request, "session", "", 0));
}

function tokenForm(csrf: string, next: string): View {
  return {
    title: "Log in",
    body: (
      <>
        <form method="post" action="/login" class="fields" aria-label="Log in">
          <input type="hidden" name="csrf" value={csrf} />
          <input type="hidden" name="next" value={next} />
          <label>
            <span>Access token</span>
            <input type="password" name="token" required autocomplete="current-password" spellcheck={false} />
          </label>
          <div>
            <button type="submit">Log in</button>
          </div>
        </form>
        <p>
          You may do here what the token may do. Someone who is logged in makes one for you under Settings,
          or:
        </p>
        <Command>npx slipway tokens create my-name --role deploy</Command>
      </>
    ),
  };
}

function linkForm(csrf: string): View {
  return {
    title: "Log in",
    body: (
      <form method="post">
        <input type="hidden" name="csrf" value={csrf} />
        <p>This link logs you in once.</p>
        <button type="submit">Log in</button>
      </form>
    ),
  };
}

function welcome(request: Request, { session, token }: StartedSession, next: string): Response {
  const seconds = Math.floor((Date.parse(session.expires_at) - Date.now()) / 1000);
  return redirect(ownPath(next), cookieHeader(request, "session", token, seconds));
}
