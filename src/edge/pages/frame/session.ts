import { parse, serialize } from "hono/utils/cookie";
import { parseAccessToken } from "../../../protocol/tokens/access-token.ts";

/** Browsers hold `__Host-` cookies to https, to the path `/` and to the very host that set them. */
const names = {
  https: {
    session: "__Host-slipway_session",
    visitor: "__Host-slipway_visitor",
    notice: "__Host-slipway_notice",
  },
  http: { session: "slipway_session", visitor: "slipway_visitor", notice: "slipway_notice" },
} as const;
type CookieName = keyof (typeof names)["http"];

const noticeSeconds = 30;

function isSecure(request: Request): boolean {
  return new URL(request.url).protocol === "https:";
}

function nameOf(request: Request, cookie: CookieName): string {
  return names[isSecure(request) ? "https" : "http"][cookie];
}

/** A cookie of the request, or undefined. The session's credential grants what its access token does. */
export function readCookie(request: Request, cookie: CookieName): string | undefined {
  const name = nameOf(request, cookie);
  return parse(request.headers.get("cookie") ?? "", name)[name];
}

/** A `Set-Cookie` value. No script reads it, and no other site's form sends it (RFC 6265bis, SameSite=Lax). */
export function cookieHeader(request: Request, cookie: CookieName, value: string, seconds?: number): string {
  return serialize(nameOf(request, cookie), value, {
    path: "/",
    httpOnly: true,
    sameSite: "Lax",
    secure: isSecure(request),
    ...(seconds === undefined ? {} : { maxAge: seconds }),
  });
}

/** What was done, shown once by the next page. */
export function noticeCookie(request: Request, text: string): string {
  return cookieHeader(request, "notice", text, noticeSeconds);
}

/**
 * The CSRF token of a session's forms. It reveals nothing of the session's secret.
 */
export async function csrfToken(credential: string): Promise<string> {
  const secret = parseAccessToken(credential)?.secret ?? credential;
  const key = await crypto.subtle.importKey(
    "raw",
    new TextEncoder().encode(secret),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const mark = new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode("csrf")));
  return btoa(String.fromCharCode(...mark));
}
