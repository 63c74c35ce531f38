import { exports } from "cloudflare:workers";
import { onTestFinished } from "vitest";
import { apiOrigin } from "./api.ts";

export interface PageAnswer {
  status: number;
  headers: Headers;
  html: string;
  location: string | null;
  /** The `Set-Cookie` values, by the cookie's name. */
  cookies: Map<string, string>;
}

/** The stream of a live page, followed as the page's script does. */
export interface FollowedPage {
  response: Response;
  /** The next state of the part of the page that changes; null at the end. */
  next(): Promise<string | null>;
  /** The next state that contains a text. Fails at the end. */
  nextWith(text: string): Promise<string>;
}

/** A browser that runs no scripts: it keeps cookies, and follows no redirect. */
export interface PageClient {
  /** Cookies by their names. */
  jar: Map<string, string>;
  /** Sends a request with the cookies, and keeps none of the answer's. */
  send(path: string, init?: RequestInit): Promise<Response>;
  /** Sends a request, and reads the whole answer. */
  request(path: string, init?: RequestInit): Promise<PageAnswer>;
  visit(path: string, headers?: Record<string, string>): Promise<PageAnswer>;
  /** Sends a form as it is. */
  post(path: string, fields: Record<string, string>, headers?: Record<string, string>): Promise<PageAnswer>;
  /** Sends a form as a page of this session has it: with the session's CSRF token and the button's name. */
  submit(path: string, button: string, fields?: Record<string, string>): Promise<PageAnswer>;
  /** Follows the changes of the page at a path until the test has finished. */
  follow(path: string): Promise<FollowedPage>;
}

/** Somebody who has not logged in. */
export function pageClient(origin: string = apiOrigin): PageClient {
  const jar = new Map<string, string>();

  const client: PageClient = {
    jar,
    send(path, init = {}) {
      const headers = new Headers(init.headers);
      if (jar.size > 0) {
        headers.set("cookie", Array.from(jar, ([name, value]) => `${name}=${value}`).join("; "));
      }
      return exports.default.fetch(new Request(origin + path, { redirect: "manual", ...init, headers }));
    },
    async request(path, init) {
      const response = await client.send(path, init);
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
    },
    visit: (path, headers = {}) => client.request(path, { headers }),
    post: (path, fields, headers = {}) =>
      client.request(path, {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
        body: new URLSearchParams(fields).toString(),
      }),
    async submit(path, button, fields = {}) {
      const { html } = await client.visit("/");
      return client.post(path, { csrf: hiddenField(html, "csrf"), do: button, ...fields });
    },
    async follow(path) {
      const response = await client.send(`${path}${path.includes("?") ? "&" : "?"}live=`, {
        headers: { accept: "text/event-stream" },
      });
      return followed(response);
    },
  };
  return client;
}

/** Somebody whose session is an access token. */
export function loggedIn(token: string): PageClient {
  const client = pageClient();
  client.jar.set("slipway_session", token);
  return client;
}

/** The value of a page's first hidden field of a name. */
export function hiddenField(html: string, name: string): string {
  const value = new RegExp(`<input type="hidden" name="${name}" value="([^"]*)"`).exec(html)?.[1];
  if (value === undefined) throw new Error(`the page has no field ${name}`);
  return value;
}

function followed(response: Response): FollowedPage {
  if (!response.body) throw new Error("the answer has no body");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  onTestFinished(() => reader.cancel());
  let unread = "";

  /** Empty lines between events keep the connection open. */
  async function next(): Promise<string | null> {
    const event = /^\n*((?:data: [^\n]*\n)+)\n/.exec(unread);
    if (event) {
      unread = unread.slice(event[0].length);
      return (event[1] ?? "").replaceAll(/^data: /gm, "").slice(0, -1);
    }
    const { done, value } = await reader.read();
    if (!done) {
      unread += value;
      return next();
    }
    if (unread.trim() !== "") throw new Error(`the stream ended with ${unread}`);
    return null;
  }

  return {
    response,
    next,
    async nextWith(text) {
      for (;;) {
        const state = await next();
        if (state === null) throw new Error(`the stream ended without ${text}`);
        if (state.includes(text)) return state;
      }
    },
  };
}
