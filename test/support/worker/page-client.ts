import { exports } from "cloudflare:workers";
import { apiOrigin } from "./api.ts";

export interface PageAnswer {
  status: number;
  headers: Headers;
  html: string;
  location: string | null;
  /** The `Set-Cookie` values, by the cookie's name. */
  cookies: Map<string, string>;
}

/** A browser that runs no scripts: it keeps cookies, and follows no redirect. */
export function pageClient(origin: string = apiOrigin) {
  const jar = new Map<string, string>();

  function send(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (jar.size > 0)
      headers.set("cookie", Array.from(jar, ([name, value]) => `${name}=${value}`).join("; "));
    return exports.default.fetch(new Request(origin + path, { redirect: "manual", ...init, headers }));
  }

  async function ask(path: string, init?: RequestInit): Promise<PageAnswer> {
    const response = await send(path, init);
    const cookies = new Map(
      response.headers.getSetCookie().map((text) => [text.slice(0, text.indexOf("=")), text]),
    );
    for (const [name, text] of cookies) {
      if (/; max-age=0/i.test(text)) jar.delete(name);
      else jar.set(name, text.slice(name.length + 1).split(";", 1)[0] ?? "");
    }
    return {
      status: response.status,
      headers: response.headers,
      html: await response.text(),
      location: response.headers.get("location"),
      cookies,
    };
  }

  return {
    jar,
    send,
    visit: (path: string, headers: Record<string, string> = {}) => ask(path, { headers }),
    /** Sends a form as it is. */
    post: (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
      ask(path, {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
        body: new URLSearchParams(fields).toString(),
      }),
    ask,
  };
}

/** A browser that holds an access token as its session. */
export function loggedIn(token: string) {
  const client = pageClient();
  client.jar.set("slipway_session", token);
  return client;
}
