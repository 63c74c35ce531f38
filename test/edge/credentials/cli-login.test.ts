import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import { beginCliLogin, confirmCliLogin, readCliLogin } from "../../../src/edge/credentials/cli-login.ts";
import { startSession } from "../../../src/edge/credentials/sessions.ts";
import { followCliLogin } from "../../../src/edge/streams/cli-login-stream.ts";
import { errorEnvelope } from "../../../src/protocol/error-envelope.ts";
import { cliLoginAnswer, userSession } from "../../../src/protocol/jamsocket/login.ts";
import {
  apiOrigin,
  call,
  createAccount,
  createToken,
  refusal,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";
import { frozenAt } from "../../support/worker/clock.ts";
import { clockTest } from "../../support/worker/worker-test.ts";

const tenMinutes = 600_000;
const userAgent = "jamsocket-cli/0.10.7 linux-x64";

/** Begins a login as the CLI does. @returns its token */
async function begin(headers: Record<string, string> = { "user-agent": userAgent }): Promise<string> {
  return (await call(cliLoginAnswer, "/cli-login", { json: {}, headers })).token;
}

/** Confirms a login as the holder of the account's token. @returns the code that the page would show */
async function confirm(token: string, { name, admin }: TestAccount, accessToken = admin): Promise<string> {
  const tokenId = accessToken.slice(accessToken.indexOf("_") + 1, accessToken.indexOf("."));
  const shown = await confirmCliLogin(env, token, { account: name, tokenId, role: "admin" });
  if (!shown.ok) throw new Error(shown.error.message);
  return shown.value.code;
}

const complete = (token: string, code: string) => ({ path: `/cli-login/${token}/complete`, json: { code } });

async function refusedCompletion(token: string, code = "0000") {
  const { path, json } = complete(token, code);
  const { status, code: error, message } = await refusal(path, { json });
  return { status, error, message };
}

const wrongFor = (code: string) => (code === "0000" ? "1111" : "0000");

describe("beginning a login of the CLI", () => {
  test("gives a token of one path segment that names the client, and nothing else", async () => {
    const token = await begin({ "user-agent": `${userAgent} ${"x".repeat(300)}` });
    expect(token).toMatch(/^[\w.-]+$/);
    expect(await readCliLogin(env, token)).toMatchObject({
      ok: true,
      value: { userAgent: `${userAgent} ${"x".repeat(300)}`.slice(0, 200) },
    });
    expect(await begin()).not.toBe(await begin());
  });

  test("works with and without /v1, and without a body", async () => {
    for (const path of ["/cli-login", "/v1/cli-login"]) {
      expect((await send(path, { method: "POST" })).status).toBe(200);
    }
  });
});

describe("completing a login of the CLI", () => {
  test("gives a session of the person who confirmed it, for 90 days", async () => {
    const account = await createAccount();
    const token = await begin();
    const { path, json } = complete(token, await confirm(token, account));
    const answer = await send(path, { json, headers: { "user-agent": "of somebody else" } });
    expect(answer.headers.get("content-type")).toBe("application/json");
    const session = userSession.parse(await answer.json());
    expect(session).toEqual({
      uuid: expect.stringMatching(/^[0-9a-z]{12}$/),
      user_id: account.admin.slice(account.admin.indexOf("_") + 1, account.admin.indexOf(".")),
      user_agent: userAgent,
      created_at: expect.any(String),
      expiration: new Date(Date.parse(session.created_at) + 90 * 24 * 3600 * 1000).toISOString(),
      token: expect.stringMatching(new RegExp(`^${account.name}_${session.uuid}\\.`)),
      user_is_admin: false,
    });
    const auth = await send("/auth", { token: session.token });
    expect(await auth.json()).toEqual({ status: "ok", accounts: [account.name], is_admin: false });
    const logout = { method: "POST", token: session.token };
    expect((await send(`/user-session/${session.uuid}/delete`, logout)).status).toBe(200);
    expect((await refusal("/auth", { token: session.token })).status).toBe(401);
  });

  test("with a wrong code is 403, with the tries that are left; after five of them it is over", async () => {
    const account = await createAccount();
    const token = await begin();
    const code = await confirm(token, account);
    for (const left of [4, 3, 2, 1, 0]) {
      const { path, json } = complete(token, wrongFor(code));
      const { status, error } = await refusal(path, { json });
      expect(status).toBe(403);
      expect(error).toMatchObject({ code: "forbidden", tries_left: left });
    }
    expect(await refusedCompletion(token, code)).toMatchObject({ status: 404, error: "login_not_found" });
  });

  test.each(["123", "12345", "abcd", "１２３４", ""])(
    "with `%s`, which is no code, is 400 and counts as no try",
    async (text) => {
      const account = await createAccount();
      const token = await begin();
      const code = await confirm(token, account);
      expect(await refusedCompletion(token, text)).toMatchObject({ status: 400, error: "bad_request" });
      const { path, json } = complete(token, wrongFor(code));
      const { error } = await refusal(path, { json });
      expect(error).toMatchObject({ tries_left: 4 });
    },
  );

  test("succeeds once, also for two requests at once", async () => {
    const account = await createAccount();
    const token = await begin();
    const { path, json } = complete(token, await confirm(token, account));
    const answers = await Promise.all([send(path, { json }), send(path, { json })]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 404]);
    await Promise.all(answers.map((answer) => answer.text()));
  });

  clockTest(
    "is refused in the same words when it is unknown, not confirmed, expired, over, or lost its token or session",
    async () => {
      const account = await createAccount();
      const reader = await createToken(account, { role: "read" });
      const unknown = await refusedCompletion("no.token.atall");
      expect(unknown).toMatchObject({ status: 404, error: "login_not_found" });
      expect(JSON.stringify(unknown)).not.toContain(account.name);
      expect(await refusedCompletion(await begin())).toEqual(unknown);

      const revoked = await begin();
      const code = await confirm(revoked, account, reader.secret_token);
      const path = `/v3/accounts/${account.name}/tokens/${reader.id}`;
      expect((await send(path, { method: "DELETE", token: account.admin })).status).toBe(204);
      expect(await refusedCompletion(revoked, code)).toEqual(unknown);

      const token = await begin();
      const tokenId = account.admin.slice(account.admin.indexOf("_") + 1, account.admin.indexOf("."));
      const person = { account: account.name, tokenId };
      const started = await startSession(env, person, "browser", null);
      const { session } = started.ok ? started.value : expect.fail();
      const confirmed = await confirmCliLogin(env, token, { ...person, session, role: "admin" });
      const sessionPath = `/v3/accounts/${account.name}/sessions/${session.id}`;
      expect((await send(sessionPath, { method: "DELETE", token: account.admin })).status).toBe(204);
      const ofSession = confirmed.ok ? confirmed.value.code : expect.fail();
      expect(await refusedCompletion(token, ofSession)).toEqual(unknown);

      const late = await begin();
      const shown = await confirm(late, account);
      vi.setSystemTime(Date.now() + tenMinutes);
      expect(await refusedCompletion(late, shown)).toEqual(unknown);
    },
  );
});

describe("confirming a login of the CLI", () => {
  test("shows the same person the same code, and another person none", async () => {
    const [ada, eve] = [await createAccount(), await createAccount()];
    const token = await begin();
    expect(await confirm(token, ada)).toBe(await confirm(token, ada));
    await expect(confirm(token, eve)).rejects.toThrow("somebody else has confirmed this login");
  });

  test("is not for agents, nor of a token that is none", async () => {
    const person = { account: "acme", tokenId: "agenttoken00" };
    expect(await confirmCliLogin(env, await begin(), { ...person, role: "agent" })).toMatchObject({
      error: { code: "forbidden" },
    });
    expect(await confirmCliLogin(env, "x", { ...person, role: "admin" })).toMatchObject({
      error: { code: "login_not_found" },
    });
  });
});

describe("the stream of a login", () => {
  const open = (token: string) => send(`/cli-login/${token}/status/stream`);

  test("sends the confirmation in one event and ends, also for one who comes later", async () => {
    const account = await createAccount();
    const token = await begin();
    const early = await open(token);
    expect(early.headers.get("content-type")).toBe("text/event-stream");
    const sent = early.text();
    await confirm(token, account);
    expect((await sent).trim()).toBe('data: {"status":"ok"}');
    expect(await (await open(token)).text()).toBe('data: {"status":"ok"}\n\n');
  });

  clockTest("of a token that is none, or not any more, is a 404 in the envelope", async () => {
    const request = new Request(`${apiOrigin}/cli-login`, { method: "POST" });
    const token = await beginCliLogin(env, request);
    vi.setSystemTime(Date.now() + tenMinutes);
    for (const login of ["x", token]) {
      const answer = await open(login);
      expect(answer.status).toBe(404);
      expect(errorEnvelope.parse(await answer.json()).error.code).toBe("login_not_found");
    }
  });

  clockTest("says at the end of the ten minutes that the login has failed", async () => {
    const waits: number[] = [];
    const waitConfirmed = async (ms: number) => {
      waits.push(ms);
      vi.setSystemTime(Date.now() + ms);
      return false;
    };
    const sent = await new Response(followCliLogin({ waitConfirmed }, frozenAt + 50_000)).text();
    expect(sent).toBe('data: {"status":"expired"}\n\n');
    expect(waits).toEqual([20_000, 20_000, 10_000]);
  });

  test("goes on where the object was restarted, and breaks off at other failures", async () => {
    const failures = [Object.assign(new Error("restarted"), { retryable: true })];
    const waitConfirmed = async () => {
      const failure = failures.pop();
      if (failure) throw failure;
      return true;
    };
    const stream = followCliLogin({ waitConfirmed }, Date.now() + tenMinutes);
    expect(await new Response(stream).text()).toBe('data: {"status":"ok"}\n\n');
    const broken = async () => {
      throw new Error("a bug");
    };
    const failed = followCliLogin({ waitConfirmed: broken }, Date.now() + tenMinutes);
    await expect(new Response(failed).text()).rejects.toThrow("a bug");
  });

  test("whose turn to wait was another's looks again a second later, and not at once", async () => {
    const looked: number[] = [];
    const waitConfirmed = async () => {
      looked.push(performance.now());
      return looked.length === 2;
    };
    const stream = followCliLogin({ waitConfirmed }, Date.now() + tenMinutes);
    expect(await new Response(stream).text()).toBe('data: {"status":"ok"}\n\n');
    expect((looked[1] ?? 0) - (looked[0] ?? 0)).toBeGreaterThan(900);
  });

  test("is not requested any more once its reader has left", async () => {
    let requests = 0;
    let answer = (_: boolean) => {};
    const waitConfirmed = () => {
      requests += 1;
      return new Promise<boolean>((resolve) => {
        answer = resolve;
      });
    };
    const reader = followCliLogin({ waitConfirmed }, Date.now() + tenMinutes).getReader();
    const read = reader.read();
    await vi.waitFor(() => expect(requests).toBe(1));
    await reader.cancel();
    answer(false);
    expect((await read).done).toBe(true);
    expect(requests).toBe(1);
  });
});
