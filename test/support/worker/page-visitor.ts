import { send } from "./api.ts";

export interface ShownPage {
  status: number;
  html: string;
  location: string | null;
}

/** Somebody who looks at pages, logged in by an access token. */
export function pageVisitor(token: string) {
  const cookie = `slipway_session=${token}`;

  async function shown(response: Response): Promise<ShownPage> {
    return {
      status: response.status,
      html: await response.text(),
      location: response.headers.get("location"),
    };
  }

  async function visit(path: string): Promise<ShownPage> {
    return shown(await send(path, { headers: { cookie } }));
  }

  /** Sends a form as it is. */
  async function post(path: string, fields: Record<string, string>): Promise<ShownPage> {
    return shown(
      await send(path, {
        method: "POST",
        headers: { cookie, "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams(fields).toString(),
      }),
    );
  }

  /** Sends a form that a page of this session could have shown. */
  async function submit(path: string, button: string, fields: Record<string, string> = {}) {
    const { html } = await visit("/");
    return post(path, { csrf: hiddenField(html, "csrf"), do: button, ...fields });
  }

  return { visit, post, submit };
}

/** What a page's first hidden field of a name holds. */
export function hiddenField(html: string, name: string): string {
  const value = new RegExp(`<input type="hidden" name="${name}" value="([^"]*)"`).exec(html)?.[1];
  if (value === undefined) throw new Error(`the page has no field ${name}`);
  return value;
}
