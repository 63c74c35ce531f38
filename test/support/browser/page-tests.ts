import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, onTestFinished } from "vitest";
import type { z } from "zod";
import type { LocalJson } from "../../../src/local/state/local-json.ts";
import { type CreateTokenBody, createdAccount, createdToken } from "../../../src/protocol/v3/accounts.ts";
import { call } from "../api.ts";
import { makeFolder } from "../folder.ts";
import { type Jamsocket, jamsocketOf, succeeding } from "../jamsocket.ts";
import { type LocalSystem, startLocalSystem } from "../local-system.ts";
import { whyNotWith } from "../programs.ts";
import { startBrowser, type TestBrowser, type Window, type WindowOptions } from "./browser.ts";

export type PageTests = ReturnType<typeof usePages>;

interface Started extends AsyncDisposable {
  system: LocalSystem;
  browser: TestBrowser;
  /** Where people's command lines keep their logins. */
  homes: string;
}

/**
 * Gives the tests of a file one deployment with its demo, and a browser, from the first to the last of them. Where
 * there is no browser they are skipped, with the reason.
 */
export function usePages() {
  const whyNot = whyNotWith("chromium");
  let started: Started | undefined;
  beforeAll(async () => {
    if (whyNot === null) started = await start();
  });
  afterAll(() => started?.[Symbol.asyncDispose]());
  beforeEach(({ skip }) => skip(whyNot !== null, whyNot ?? ""));

  const parts = (): Started => {
    if (!started) throw new Error("the deployment is there within tests only");
    return started;
  };
  const local = (): LocalJson => parts().system.local;
  const url = (path: string) => local().api_url + path;

  /** Somebody who has not logged in. The window is closed after the test. */
  async function openWindow(options?: WindowOptions): Promise<Window> {
    const window = await parts().browser.openWindow(options);
    onTestFinished(() => window.context.close());
    return window;
  }

  /** Somebody who is logged in as the holder of a token, at a page. */
  async function openAs(token: string, path: string, options?: WindowOptions): Promise<Window> {
    const window = await openWindow(options);
    await window.context.addCookies([{ name: "slipway_session", value: token, url: url("/") }]);
    await window.page.goto(url(path));
    return window;
  }

  return {
    /** Why there are no tests here; null where there are. */
    whyNot,
    local,
    url,
    openWindow,
    openAs,
    /** The owner of the demo, at a page. */
    open: (path: string, options?: WindowOptions) => openAs(local().token, path, options),
    /** What `npm start` has printed. */
    screen: () => parts().system.screen(),
    /** An empty folder for one person's command line. */
    home: () => join(parts().homes, crypto.randomUUID()),
    /** The owner's API. */
    api: <T>(answer: z.ZodType<T>, path: string, request?: { method?: string; json?: unknown }) =>
      call(local(), answer, path, request),
    /** @returns the secret of a new token of the demo's account */
    async createToken(body: Pick<CreateTokenBody, "role"> & Partial<CreateTokenBody>): Promise<string> {
      const path = `/v3/accounts/${local().account}/tokens`;
      return (await call(local(), createdToken, path, { json: { name: body.role, ...body } })).secret_token;
    },
    /** @returns the secret of an administrator of a new account, in which nothing is */
    async createAccount(name: string): Promise<string> {
      const root = { api_url: local().api_url, token: local().root_token };
      return (await call(root, createdAccount, "/v3/accounts", { json: { name } })).token.secret_token;
    },
    /** The owner's Jamsocket CLI, logged in. */
    async jamsocket(): Promise<Jamsocket> {
      const jamsocket = await jamsocketOf(join(parts().homes, crypto.randomUUID()), local().api_url);
      await succeeding(jamsocket, "login", "--token", local().token);
      return jamsocket;
    },
  };
}

async function start(): Promise<Started> {
  const stack = new AsyncDisposableStack();
  try {
    const folder = stack.use(await makeFolder());
    const system = stack.use(await startLocalSystem(join(folder.path, "state")));
    const browser = stack.use(await startBrowser());
    const moved = stack.move();
    return { system, browser, homes: folder.path, [Symbol.asyncDispose]: () => moved.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}
