import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { olderAccountsAskedMs } from "../../../src/domain/limits.ts";
import { tokenCredential } from "../../../src/edge/admission/credential.ts";
import { identify } from "../../../src/edge/admission/identify.ts";
import { TokenCache } from "../../../src/edge/admission/token-cache.ts";
import { accountRegisterStub, accountStub } from "../../../src/objects/stubs.ts";
import { caller, value } from "../../objects/support/service.ts";
import {
  createAccount,
  createCluster,
  createService,
  freshName,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";
import { hiddenField, pageClient } from "../../support/worker/page-client.ts";
import { basic, sendOci } from "../../support/worker/registry.ts";
import { objects } from "../support/objects.ts";

/** A credential of the form that tokens, sessions and login links have. */
const wrong = (account: string) => `${account}_${"0".repeat(12)}.${"x".repeat(43)}`;

/** Every way to name an account before one is known. */
const entrances: Record<string, (credential: string, account: string) => Promise<Response>> = {
  "v1, with a token": (token) => send("/auth", { token }),
  "v2, with a token": (token, account) => send(`/v2/service/${account}/hello/connect`, { token, json: {} }),
  "v3, with a token": (token, account) => send(`/v3/accounts/${account}/services`, { token }),
  "a heartbeat": (token) =>
    send("/v3/agent/heartbeat", {
      token,
      json: { cluster: "main", agent_id: "a", version: "1", backends: [] },
    }),
  "a status report": (token) =>
    send("/v3/agent/backends/0000000000000/status", { token, json: { status: "ready", fencing_token: 1 } }),
  "the notifications of a registry": (token, account) =>
    send(`/v3/accounts/${account}/services/hello/registry-events`, { token, json: { events: [] } }),
  "the registry, by HTTP Basic": (token, account) =>
    sendOci(`/v2/${account}/hello/tags/list`, { authorization: basic(account, token) }),
  "the registry, with a bearer token": (token, account) =>
    sendOci(`/v2/${account}/hello/tags/list`, { authorization: `Bearer ${token}` }),
  "the registry's tokens": (token, account) =>
    sendOci(`/v2/token?scope=repository:${account}/hello:pull`, { authorization: basic(account, token) }),
  "a page, with a session": (session) => send("/", { headers: { cookie: `slipway_session=${session}` } }),
  "a login, with a token": (token) => submitted("/login", { next: "", token }),
  "a login, with a link": (link) => submitted(`/login/${link}`, {}),
};

/** Sends the form of a public page, as a browser does that was shown it. */
async function submitted(path: string, fields: Record<string, string>): Promise<Response> {
  const client = pageClient();
  const csrf = hiddenField((await client.visit(path)).html, "csrf");
  const body = new URLSearchParams({ csrf, ...fields }).toString();
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  return client.send(path, { method: "POST", headers, body });
}

/** An answer without what differs between any two. */
async function plain(answer: Response, account: string) {
  const text = (await answer.text()).replaceAll(account, "<account>");
  return {
    status: answer.status,
    location: answer.headers.get("location"),
    challenge: answer.headers.get("www-authenticate")?.replaceAll(account, "<account>"),
    text: text.replaceAll(
      /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=csrf" value=")[^"]*|nonce-[^']*/g,
      "<random>",
    ),
  };
}

describe("a credential that names an account which does not exist", () => {
  let acme: TestAccount;

  beforeAll(async () => {
    acme = await createAccount("acme");
    await createService(acme);
    await createCluster(acme);
  });

  test.for(Object.entries(entrances))(
    "at %s is refused as a wrong one is, and leaves nothing",
    async ([, enter]) => {
      const before = await objects();
      const ghosts = freshName("ghosts");
      const unknown = await enter(wrong(ghosts), ghosts);
      expect(await objects()).toEqual(before);
      const bad = await enter(wrong(acme.name), acme.name);
      expect(await plain(unknown, ghosts)).toEqual(await plain(bad, acme.name));
      expect([303, 401, 403, 404, 422, 200]).toContain(unknown.status);
    },
  );

  test("costs one call, as a wrong one does", async () => {
    const [accounts, register] = [vi.spyOn(env.ACCOUNT, "getByName"), vi.spyOn(env.DIRECTORY, "getByName")];
    const calls = async (account: string) => {
      accounts.mockClear();
      register.mockClear();
      const cache = new TokenCache(Date.now);
      expect((await identify(env, tokenCredential(wrong(account)), cache)).ok).toBe(false);
      return accounts.mock.calls.length;
    };
    expect([await calls("ghosts"), await calls(acme.name)]).toEqual([0, 1]);
  });

  test("does not exist because another's token names it either", async () => {
    const before = await objects();
    const answer = await send("/v3/accounts/ghosts/tokens", { token: acme.admin });
    expect(answer.status).toBe(404);
    expect(await objects()).toEqual(before);
  });
});

describe("an account that is older than the register of accounts", () => {
  const register = accountRegisterStub(env);
  const standing = (account: string) => register.accountStanding(account);

  /** Leaves what there is in a deployment that has just got its register. */
  async function forgetRegister(): Promise<void> {
    await runInDurableObject(register, (_, { storage }) => {
      storage.sql.exec("DELETE FROM accounts");
      storage.sql.exec("DELETE FROM older_accounts");
    });
  }

  afterEach(() => void vi.useRealTimers());

  test("and has a service is taken over when another is used for the first time", async () => {
    const [used, unused] = [await createAccount(), await createAccount()];
    for (const { name } of [used, unused]) {
      value(await accountStub(env, name).createService({ name: "hello" }, caller));
    }
    await forgetRegister();
    expect((await send("/auth", { token: used.admin })).status).toBe(200);
    expect([await standing(used.name), await standing(unused.name)]).toEqual(["known", "known"]);
    expect((await send("/auth", { token: unused.admin })).status).toBe(200);
  });

  test("and has no service is registered when it is used, or created once more", async () => {
    const [older, never] = [await createAccount(), await createAccount()];
    await forgetRegister();
    expect(await standing(older.name)).toBe("unsure");
    expect((await send("/auth", { token: older.admin })).status).toBe(200);
    expect([await standing(older.name), await standing(never.name)]).toEqual(["known", "unsure"]);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + olderAccountsAskedMs });
    expect([await standing(older.name), await standing(never.name)]).toEqual(["known", "unknown"]);
    expect((await send("/auth", { token: never.admin })).status).toBe(401);
    const again = await send("/v3/accounts", { token: env.ROOT_TOKEN, json: { name: never.name } });
    expect(again.status).toBe(409);
    expect((await send("/auth", { token: never.admin })).status).toBe(200);
  });
});
