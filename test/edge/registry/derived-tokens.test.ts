import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { decodeJwt } from "jose";
import { describe, expect, vi } from "vitest";
import { browserSessionMs, registryTokenSeconds, tokenCacheMs } from "../../../src/domain/limits.ts";
import { routes } from "../../../src/edge/api/routes.ts";
import { createApp } from "../../../src/edge/app.ts";
import { startSession } from "../../../src/edge/credentials/sessions.ts";
import { accountStub } from "../../../src/objects/stubs.ts";
import { registryTokenAnswer } from "../../../src/protocol/oci/token-authentication.ts";
import {
  apiOrigin,
  createAccount,
  createCluster,
  createService,
  createToken,
} from "../../support/worker/api.ts";
import { basic, refusalOf } from "../../support/worker/registry.ts";
import { isolatedClusterTest } from "../../support/worker/worker-test.ts";

const actor = { tokenId: "0", tokenName: "of a test" };
const scope = { role: "deploy", service: "hello" } as const;

const test = isolatedClusterTest
  .extend("account", async () => {
    const account = await createAccount();
    await createService(account);
    return account;
  })
  .extend("object", ({ account }) => accountStub(env, account.name));

type Fixtures = {
  account: Awaited<ReturnType<typeof createAccount>>;
  object: ReturnType<typeof accountStub>;
};

/** An isolate on the clock that the test sets: the Worker under test has the real one. */
const app = createApp(routes, () => Date.now());
const request = async (path: string, { authorization = "", method = "GET", body }: Sent) =>
  app.fetch(new Request(apiOrigin + path, { method, headers: { authorization }, body: body ?? null }), env);

interface Sent {
  authorization?: string;
  method?: string;
  body?: string;
}

/** What a registry token is granted to, and how it ends: at its account, so that no isolate learns of it. */
interface Parent {
  credential: string;
  end(): Promise<unknown>;
}

const passTime = async (ms: number) => vi.setSystemTime(Date.now() + ms);
const deploy = ({ account }: Fixtures, more: { expires_in_seconds?: number } = {}) =>
  createToken(account, { ...scope, ...more });

async function logIn({ account }: Fixtures, tokenId: string) {
  const started = await startSession(env, { account: account.name, tokenId }, "browser", null);
  if (!started.ok) throw new Error(started.error.message);
  return started.value;
}

const parents: [how: string, make: (fixtures: Fixtures) => Promise<Parent>][] = [
  [
    "an access token that is revoked",
    async (fixtures) => {
      const { id, secret_token } = await deploy(fixtures);
      return { credential: secret_token, end: () => fixtures.object.deleteToken(id, { actor }) };
    },
  ],
  [
    "an access token that expires",
    async (fixtures) => {
      const { secret_token } = await deploy(fixtures, { expires_in_seconds: 60 });
      return { credential: secret_token, end: () => passTime(60_000) };
    },
  ],
  [
    "a session that is ended",
    async (fixtures) => {
      const { session, token } = await logIn(fixtures, (await deploy(fixtures)).id);
      return { credential: token, end: () => fixtures.object.deleteSession(session.id, { actor }) };
    },
  ],
  [
    "a session that expires",
    async (fixtures) => {
      const { token } = await logIn(fixtures, (await deploy(fixtures)).id);
      await passTime(browserSessionMs - 60_000);
      return { credential: token, end: () => passTime(60_000) };
    },
  ],
  [
    "a session whose access token is revoked",
    async (fixtures) => {
      const { id } = await deploy(fixtures);
      const { token } = await logIn(fixtures, id);
      return { credential: token, end: () => fixtures.object.deleteToken(id, { actor }) };
    },
  ],
  [
    "an agent's token, whose cluster is deleted",
    async ({ account, object }) => {
      const { agent_token } = await createCluster(account);
      return { credential: agent_token, end: () => object.deleteCluster("main", { actor }) };
    },
  ],
];

async function registryToken({ account }: Fixtures, credential: string) {
  const query = `scope=repository:${account.name}/hello:pull,push`;
  const authorization = basic(account.name, credential);
  return registryTokenAnswer.parse(await (await request(`/v2/token?${query}`, { authorization })).json());
}

/** What a registry token is answered, where it is used to look, to begin a push and to end one. */
async function answersTo({ account }: Fixtures, token: string) {
  const authorization = `Bearer ${token}`;
  const name = `/v2/${account.name}/hello`;
  const requests = [
    request("/v2/", { authorization }),
    request(`${name}/tags/list`, { authorization }),
    request(`${name}/blobs/uploads/`, { authorization, method: "POST" }),
    request(`${name}/manifests/prod`, { authorization, method: "PUT", body: "{}" }),
  ];
  return Promise.all(requests.map(async (answer) => (await refusalOf(await answer))[0]));
}

describe("a registry token", () => {
  test.for(parents)("that was granted to %s ends with it", async ([_, make], { account, object }) => {
    const fixtures = { account, object };
    const { credential, end } = await make(fixtures);
    const { token } = await registryToken(fixtures, credential);
    expect((await answersTo(fixtures, token)).slice(0, 2)).toEqual([200, 200]);
    expect(await end()).not.toMatchObject({ ok: false });
    await passTime(tokenCacheMs);
    expect(await answersTo(fixtures, token)).toEqual([401, 401, 401, 401]);
  });

  test("may do no more than its access token may still do", async ({ account, object }) => {
    const fixtures = { account, object };
    const { id, secret_token } = await createToken(account, { role: "deploy" });
    const { token } = await registryToken(fixtures, secret_token);
    // Nothing changes a token's scope yet: what is derived from it must not rely on that.
    const narrow = (set: string) =>
      runInDurableObject(object, (_, { storage }) =>
        storage.sql.exec(`UPDATE tokens SET ${set} WHERE id = ?`, id).toArray(),
      );
    await narrow("role = 'read'");
    await passTime(tokenCacheMs);
    expect(await answersTo(fixtures, token)).toEqual([200, 200, 403, 403]);
    await narrow("service = 'other'");
    await passTime(tokenCacheMs);
    expect(await answersTo(fixtures, token)).toEqual([200, 403, 403, 403]);
  });

  test("ends at once in the isolate that revokes its access token", async ({ account, object }) => {
    const { id, secret_token } = await createToken(account, scope);
    const { token } = await registryToken({ account, object }, secret_token);
    await answersTo({ account, object }, token);
    const revoked = await request(`/v3/accounts/${account.name}/tokens/${id}`, {
      method: "DELETE",
      authorization: `Bearer ${account.admin}`,
    });
    expect(revoked.status).toBe(204);
    expect(await answersTo({ account, object }, token)).toEqual([401, 401, 401, 401]);
  });

  test("is good for an hour, and no longer than its access token", async ({ account, object }) => {
    const fixtures = { account, object };
    const lasting = await registryToken(fixtures, account.admin);
    expect(lasting.expires_in).toBe(registryTokenSeconds);
    const { iat = 0, exp } = decodeJwt(lasting.token);
    expect(exp).toBe(iat + registryTokenSeconds);
    const { secret_token } = await createToken(account, { ...scope, expires_in_seconds: 60 });
    const short = await registryToken(fixtures, secret_token);
    expect([short.expires_in, decodeJwt(short.token).exp]).toEqual([60, Date.now() / 1000 + 60]);
  });

  test("holds no secret: neither that of its access token nor anything made from it", async ({
    account,
    object,
  }) => {
    const { token } = await registryToken({ account, object }, account.admin);
    const [id] = account.admin.split("_")[1]?.split(".") ?? [];
    expect(decodeJwt(token)).toEqual({
      iss: "http://api.test",
      aud: "registry",
      sub: account.name,
      credential: id,
      access: [{ type: "repository", name: `${account.name}/hello`, actions: ["pull", "push"] }],
      iat: Date.now() / 1000,
      exp: Date.now() / 1000 + registryTokenSeconds,
    });
  });
});
