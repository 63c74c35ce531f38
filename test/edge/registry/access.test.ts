import { env } from "cloudflare:workers";
import { decodeJwt } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { registryTokenSeconds } from "../../../src/domain/limits.ts";
import { signingOf } from "../../../src/edge/credentials/signing.ts";
import { endpoints } from "../../../src/edge/registry/endpoints.ts";
import { grantRegistryToken, registryTokenAnswer } from "../../../src/protocol/oci/token-authentication.ts";
import { signConnectionToken } from "../../../src/protocol/tokens/connection-token.ts";
import {
  createAccount,
  createCluster,
  createService,
  createToken,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";
import { basic, refusalOf, registryClient, sendOci } from "../../support/worker/registry.ts";

/** Who may do what, written down apart from the endpoints themselves: a new one must be given a row here. */
const table: Record<string, "pull" | "push" | "delete"> = {
  "POST /v2/:name/blobs/uploads/": "push",
  "GET /v2/:name/blobs/uploads/:id": "push",
  "PATCH /v2/:name/blobs/uploads/:id": "push",
  "PUT /v2/:name/blobs/uploads/:id": "push",
  "DELETE /v2/:name/blobs/uploads/:id": "push",
  "GET /v2/:name/blobs/:digest": "pull",
  "HEAD /v2/:name/blobs/:digest": "pull",
  "DELETE /v2/:name/blobs/:digest": "delete",
  "GET /v2/:name/manifests/:reference": "pull",
  "HEAD /v2/:name/manifests/:reference": "pull",
  "PUT /v2/:name/manifests/:reference": "push",
  "DELETE /v2/:name/manifests/:reference": "delete",
  "GET /v2/:name/tags/list": "pull",
  "HEAD /v2/:name/tags/list": "pull",
  "GET /v2/:name/referrers/:digest": "pull",
  "HEAD /v2/:name/referrers/:digest": "pull",
};

const roles = ["admin", "deploy", "spawn", "read", "agent"] as const;
const rolesFor: Record<"pull" | "push" | "delete", readonly string[]> = {
  pull: roles,
  push: ["admin", "deploy"],
  delete: ["admin"],
};

const operations = endpoints.flatMap(({ path, methods }) =>
  Object.keys(methods).map((method) => ({ method, path, needs: table[`${method} ${path}`] ?? "delete" })),
);

let owner: TestAccount;
let intruder: TestAccount;
let image: { digest: string; layer: { digest: string } };
const tokens: Record<string, string> = {};

beforeAll(async () => {
  owner = await createAccount("owner");
  intruder = await createAccount("intruder");
  for (const account of [owner, intruder]) {
    tokens[`agent of ${account.name}`] = (await createCluster(account)).agent_token;
    await createService(account);
    await createService(account, "other");
  }
  for (const role of ["admin", "deploy", "spawn", "read"] as const) {
    tokens[role] = (await createToken(owner, { role })).secret_token;
    tokens[`${role} of another service`] = (
      await createToken(owner, { role, service: "other" })
    ).secret_token;
    tokens[`${role} of an environment`] = (
      await createToken(owner, { role, service: "hello", environments: ["default"] })
    ).secret_token;
  }
  tokens.agent = tokens["agent of owner"] ?? "";
  image = await registryClient(owner, owner.admin).pushImage("v1");
});

function fill(path: string, name: string): string {
  return path
    .replace(":name", name)
    .replace(":digest", image.layer.digest)
    .replace(":reference", "v1")
    .replace(":id", "no-such-upload");
}

/** HEAD has no body for the code. */
async function answeredWith(answer: Response, method: string): Promise<[number, string]> {
  return method === "HEAD" ? [answer.status, ""] : refusalOf(answer);
}

const withAccess = (method: string, path: string, name: string, token: string, account = "owner") =>
  sendOci(fill(path, name), { method, authorization: basic(account, token) });

async function registryToken(token: string, query: string, account = "owner"): Promise<string> {
  const answer = await sendOci(`/v2/token?${query}`, { authorization: basic(account, token) });
  expect(answer.status).toBe(200);
  return registryTokenAnswer.parse(await answer.json()).token;
}

describe("the endpoints", () => {
  test("have a row in this test each, and it has none for others", () => {
    expect(operations.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(
      Object.keys(table).sort(),
    );
  });

  test.each(operations)(
    "$method $path is 401 without credentials, with the way to get them",
    async ({ method, path, needs }) => {
      const answer = await sendOci(fill(path, "owner/hello"), { method });
      const actions = needs === "push" ? "pull,push" : needs;
      expect(answer.headers.get("www-authenticate")).toBe(
        `Bearer realm="http://api.test/v2/token",service="api.test",scope="repository:owner/hello:${actions}"`,
      );
      expect(await answeredWith(answer, method)).toEqual([401, method === "HEAD" ? "" : "UNAUTHORIZED"]);
    },
  );

  test.each(operations)(
    "$method $path of another account is 404, as where there is none",
    async ({ method, path }) => {
      const code = method === "HEAD" ? "" : "NAME_UNKNOWN";
      for (const name of ["owner/hello", "nobody/hello", "intruder/nothing"]) {
        const answer = await withAccess(method, path, name, intruder.admin, "intruder");
        expect(await answeredWith(answer, method)).toEqual([404, code]);
      }
      const agent = await withAccess(
        method,
        path,
        "owner/hello",
        tokens["agent of intruder"] ?? "",
        "intruder",
      );
      expect(agent.status).toBe(404);
    },
  );

  const wrongRoles = operations.flatMap((operation) =>
    roles.filter((role) => !rolesFor[operation.needs].includes(role)).map((role) => ({ ...operation, role })),
  );

  test.each(wrongRoles)("$method $path is 403 for the role $role", async ({ method, path, role }) => {
    const answer = await withAccess(method, path, "owner/hello", tokens[role] ?? "");
    expect(await answeredWith(answer, method)).toEqual([403, method === "HEAD" ? "" : "DENIED"]);
  });

  test.each(operations)("$method $path is 403 for a token of another service", async ({ method, path }) => {
    const answer = await withAccess(method, path, "owner/hello", tokens["admin of another service"] ?? "");
    expect(await answeredWith(answer, method)).toEqual([403, method === "HEAD" ? "" : "DENIED"]);
  });

  test.each(operations)(
    "$method $path with a registry token that was not requested with the right is 401",
    async ({ method, path, needs }) => {
      const actions = needs === "pull" ? "push,delete" : "pull";
      const token = await registryToken(owner.admin, `scope=repository:owner/hello:${actions}`);
      const answer = await sendOci(fill(path, "owner/hello"), { method, authorization: `Bearer ${token}` });
      expect(answer.headers.get("www-authenticate")).toContain('error="insufficient_scope"');
      expect(await answeredWith(answer, method)).toEqual([401, method === "HEAD" ? "" : "UNAUTHORIZED"]);
    },
  );
});

describe("a token that may", () => {
  test.each(roles)("pull does so: %s", async (role) => {
    for (const path of ["manifests/v1", `blobs/${image.layer.digest}`, "tags/list"]) {
      const answer = await registryClient(owner, tokens[role] ?? "").request(path);
      expect(answer.status).toBe(200);
    }
  });

  test.each(["admin", "deploy"])("push does so: %s", async (role) => {
    const { digest } = await registryClient(owner, tokens[role] ?? "").pushImage("v2");
    expect(digest).toMatch(/^sha256:/);
  });

  test("push, narrowed to its own service, does so there", async () => {
    const narrowed = registryClient(owner, tokens["deploy of another service"] ?? "", "other");
    expect((await narrowed.pushImage("v1")).digest).toMatch(/^sha256:/);
  });

  test("only change some environments pulls, and does not move tags that others follow", async () => {
    const client = registryClient(owner, tokens["deploy of an environment"] ?? "");
    expect((await client.request("manifests/v1")).status).toBe(200);
    expect(await refusalOf(await client.request("blobs/uploads/", { method: "POST" }))).toEqual([
      403,
      "DENIED",
    ]);
  });
});

describe("the list of repositories", () => {
  const all = ["owner/hello", "owner/other"];

  async function listed(authorization: string): Promise<unknown> {
    const answer = await sendOci("/v2/_catalog", { authorization });
    expect(answer.status).toBe(200);
    return answer.json();
  }

  test.each([...roles, "deploy of an environment", "read of another service", "admin of another service"])(
    "has what a token may pull from, and only that: %s",
    async (role) => {
      const token = tokens[role] ?? "";
      const repositories = role.endsWith("of another service")
        ? ["owner/other"]
        : role.endsWith("of an environment")
          ? ["owner/hello"]
          : all;
      const granted = await registryToken(token, "scope=registry:catalog:*");
      for (const authorization of [basic("owner", token), `Bearer ${token}`, `Bearer ${granted}`]) {
        expect(await listed(authorization)).toEqual({ repositories });
      }
      for (const name of all) {
        const pulled = await sendOci(`/v2/${name}/tags/list`, { authorization: basic("owner", token) });
        expect(pulled.status).toBe(repositories.includes(name) ? 200 : 403);
      }
    },
  );

  test("has nothing of other accounts", async () => {
    const answer = await listed(basic("intruder", intruder.admin));
    expect(answer).toEqual({ repositories: ["intruder/hello", "intruder/other"] });
  });

  test.each(["GET", "HEAD"])("is 401 without credentials, with the way to get them: %s", async (method) => {
    const answer = await sendOci("/v2/_catalog", { method });
    expect(answer.headers.get("www-authenticate")).toBe(
      'Bearer realm="http://api.test/v2/token",service="api.test",scope="registry:catalog:*"',
    );
    expect(await answeredWith(answer, method)).toEqual([401, method === "HEAD" ? "" : "UNAUTHORIZED"]);
  });

  test("is 401 for a registry token that was not granted it", async () => {
    const token = await registryToken(owner.admin, "scope=repository:owner/hello:pull");
    const answer = await sendOci("/v2/_catalog", { authorization: `Bearer ${token}` });
    expect(answer.headers.get("www-authenticate")).toContain(
      'scope="registry:catalog:*",error="insufficient_scope"',
    );
    expect(await refusalOf(answer)).toEqual([401, "UNAUTHORIZED"]);
  });

  test("grants nothing else to a registry token", async () => {
    const token = await registryToken(owner.admin, "scope=registry:catalog:*");
    const answer = await sendOci("/v2/owner/hello/tags/list", { authorization: `Bearer ${token}` });
    expect(await refusalOf(answer)).toEqual([401, "UNAUTHORIZED"]);
  });

  test("has no other methods", async () => {
    const answer = await sendOci("/v2/_catalog", {
      method: "DELETE",
      authorization: basic("owner", owner.admin),
    });
    expect(answer.headers.get("allow")).toBe("GET, HEAD");
    expect(await refusalOf(answer)).toEqual([405, "UNSUPPORTED"]);
  });
});

describe("credentials", () => {
  const version = (authorization?: string) =>
    sendOci("/v2/", authorization === undefined ? {} : { authorization });

  test("are requested at the door", async () => {
    for (const path of ["/v2/", "/v2"]) {
      const answer = await sendOci(path);
      expect(answer.headers.get("www-authenticate")).toBe(
        'Bearer realm="http://api.test/v2/token",service="api.test"',
      );
      expect(answer.headers.get("docker-distribution-api-version")).toBe("registry/2.0");
      expect(await refusalOf(answer)).toEqual([401, "UNAUTHORIZED"]);
    }
  });

  test("may be the account and the whole token, the token split at its first period, or a bearer token", async () => {
    const [user = "", password = ""] = owner.admin.split(/\.(.*)/s);
    const given = [
      basic("owner", owner.admin),
      basic(user, password),
      `Bearer ${owner.admin}`,
      `bearer ${await registryToken(owner.admin, "service=api.test")}`,
    ];
    for (const authorization of given) expect((await version(authorization)).status).toBe(200);
  });

  test("that are wrong are 401, all in the same words", async () => {
    const other = await createToken(owner, { role: "read" });
    await send(`/v3/accounts/owner/tokens/${other.id}`, { method: "DELETE", token: owner.admin });
    const connection = await signConnectionToken(await signingOf(env).signer, {
      issuer: "http://api.test",
      account: "owner",
      cluster: "main",
      backendId: "0000000000000",
      grantedAt: Date.now(),
    });
    const wrong = [
      basic("owner", "nonsense"),
      basic("intruder", owner.admin),
      basic("owner", `${owner.admin.slice(0, -1)}_`),
      basic("owner", other.secret_token),
      basic("", ""),
      "Basic %%%",
      "Basic",
      "Digest abc",
      "Bearer abc",
      `Bearer ${connection}`,
      `Bearer ${(await registryToken(owner.admin, "")).slice(0, -4)}AAAA`,
    ];
    const texts = new Set<string>();
    for (const authorization of wrong) {
      const answer = await version(authorization);
      expect(answer.status).toBe(401);
      texts.add(await answer.text());
    }
    expect(texts.size).toBe(1);
  });
});

/** RFC 6750 3.1: containerd drops a token that it has kept only when an answer says that the token is why. */
describe("a bearer token that is not accepted is answered with `invalid_token`", () => {
  const everywhere = [
    { method: "GET", path: "/v2/" },
    { method: "GET", path: "/v2/_catalog" },
    { method: "HEAD", path: "/v2/_catalog" },
    ...operations,
  ];

  test.each(everywhere)("$method $path", async ({ method, path }) => {
    const at = fill(path, "owner/hello");
    for (const bearer of ["", "abc", `${owner.admin.slice(0, -1)}_`, await expiredToken()]) {
      const answer = await sendOci(at, { method, authorization: `Bearer ${bearer}` });
      expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([
        401,
        expect.stringMatching(/^Bearer realm=.+,error="invalid_token"$/),
      ]);
    }
  });

  test.each(everywhere)(
    "and Basic credentials, or none, are not: $method $path",
    async ({ method, path }) => {
      for (const given of [{}, { authorization: basic("owner", "nonsense") }]) {
        const answer = await sendOci(fill(path, "owner/hello"), { method, ...given });
        expect(answer.status).toBe(401);
        expect(answer.headers.get("www-authenticate")).not.toContain("error=");
      }
    },
  );

  async function expiredToken(): Promise<string> {
    const { signer } = signingOf(env);
    const claims = { sub: "owner", credential: owner.admin.split("_")[1]?.split(".")[0] ?? "", access: [] };
    const longAgo = Date.now() - 2 * registryTokenSeconds * 1000;
    return (await grantRegistryToken(await signer, "http://api.test", claims, longAgo)).token;
  }
});

describe("the token flow", () => {
  const accessOf = async (token: string, query: string) =>
    decodeJwt<{ access: unknown[] }>(await registryToken(token, query)).access;

  test("grants what is requested and allowed, and nothing else", async () => {
    const both = "scope=repository:owner/hello:pull,push";
    expect(await accessOf(owner.admin, both)).toEqual([
      { type: "repository", name: "owner/hello", actions: ["pull", "push"] },
    ]);
    expect(await accessOf(tokens.read ?? "", both)).toEqual([
      { type: "repository", name: "owner/hello", actions: ["pull"] },
    ]);
    expect(await accessOf(tokens.deploy ?? "", "scope=repository:owner/hello:*")).toEqual([
      { type: "repository", name: "owner/hello", actions: ["pull", "push"] },
    ]);
    expect(await accessOf(tokens["deploy of another service"] ?? "", both)).toEqual([]);
    for (const scope of ["repository:intruder/hello:pull", "registry:catalog:pull", "nonsense", ""]) {
      expect(await accessOf(owner.admin, `scope=${scope}`)).toEqual([]);
    }
  });

  test("grants the list of repositories to every credential, since each may pull something", async () => {
    const catalog = { type: "registry", name: "catalog", actions: ["*"] };
    for (const role of [...roles, "read of another service", "deploy of an environment"]) {
      expect(await accessOf(tokens[role] ?? "", "scope=registry:catalog:*")).toEqual([catalog]);
    }
    const both = "scope=repository:owner/hello:pull+registry:catalog:*";
    expect(await accessOf(owner.admin, both)).toEqual([
      { type: "repository", name: "owner/hello", actions: ["pull"] },
      catalog,
    ]);
  });

  test("takes several scopes, in one parameter and in many", async () => {
    const expected = ["owner/hello", "owner/other"].map((name) => ({
      type: "repository",
      name,
      actions: ["pull"],
    }));
    const [a, b] = ["repository:owner/hello:pull", "repository:owner/other:pull"];
    expect(await accessOf(owner.admin, `scope=${a}&scope=${b}`)).toEqual(expected);
    expect(await accessOf(owner.admin, `scope=${a}+${b}`)).toEqual(expected);
  });

  test("gives a token that lives for an hour, under both of its names, that no cache keeps", async () => {
    const answer = await sendOci("/v2/token", { authorization: basic("owner", owner.admin) });
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const body = registryTokenAnswer.parse(await answer.json());
    expect(body.access_token).toBe(body.token);
    const { iat = 0, exp = 0 } = decodeJwt(body.token);
    expect([exp - iat, body.expires_in]).toEqual([3600, 3600]);
    expect(Date.parse(body.issued_at)).toBe(iat * 1000);
  });

  test("gives no token for another one, which would go on when the access token has ended", async () => {
    const token = await registryToken(owner.admin, "scope=repository:owner/hello:pull");
    const answer = await sendOci("/v2/token?scope=repository:owner/hello:pull", {
      authorization: `Bearer ${token}`,
    });
    expect(answer.headers.get("www-authenticate")).toMatch(/^Basic /);
    expect(await refusalOf(answer)).toEqual([401, "UNAUTHORIZED"]);
  });

  test("requests Basic credentials of whoever is nobody, and says to POST that it wants GET", async () => {
    const anonymous = await sendOci("/v2/token?scope=repository:owner/hello:pull");
    expect(anonymous.headers.get("www-authenticate")).toMatch(/^Basic /);
    expect(await refusalOf(anonymous)).toEqual([401, "UNAUTHORIZED"]);
    const posted = await sendOci("/v2/token", { method: "POST", body: "grant_type=password" });
    expect(await refusalOf(posted)).toEqual([405, "UNSUPPORTED"]);
  });

  test("lets a registry token push and pull", async () => {
    const token = await registryToken(owner.admin, "scope=repository:owner/hello:pull,push");
    const authorization = `Bearer ${token}`;
    expect((await sendOci("/v2/owner/hello/blobs/uploads/", { method: "POST", authorization })).status).toBe(
      202,
    );
    expect((await sendOci("/v2/owner/hello/manifests/v1", { authorization })).status).toBe(200);
    const elsewhere = await sendOci("/v2/owner/other/tags/list", { authorization });
    expect(await refusalOf(elsewhere)).toEqual([401, "UNAUTHORIZED"]);
  });

  test("says DENIED, not to try another token, where none of that account's could do it", async () => {
    const token = await registryToken(tokens.read ?? "", "scope=repository:owner/hello:pull,push");
    const answer = await sendOci("/v2/owner/hello/blobs/uploads/", {
      method: "POST",
      authorization: `Bearer ${token}`,
    });
    expect(await refusalOf(answer)).toEqual([403, "DENIED"]);
  });
});
