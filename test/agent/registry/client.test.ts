import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { parseRepository } from "../../../src/agent/registry/address.ts";
import { agentCredentials, parseChallenges } from "../../../src/agent/registry/authorization.ts";
import { registryClient } from "../../../src/agent/registry/client.ts";
import { startHostileAnswers } from "../../support/remote/hostile-answers.ts";
import type { HostilePlace } from "../../support/remote/hostile-place.ts";
import { share } from "../../support/shared.ts";
import { agentToken } from "../support/cluster.ts";
import { digestOfBytes } from "../support/oci-image.ts";
import { type OciRegistry, startOciRegistry } from "../support/oci-registry.ts";
import { never } from "../support/streams.ts";

const basic = `Basic ${Buffer.from(`acme:${agentToken}`).toString("base64")}`;
const bytes = Buffer.from("some bytes");
const digest = digestOfBytes(bytes);

async function pullText(client: ReturnType<typeof registryClient>, { repository }: OciRegistry) {
  const opened = await client.open(repository, "blobs", digest, never);
  return opened.ok ? (await buffer(opened.value)).toString() : opened.error;
}

async function registryWithBlob() {
  const registry = await startOciRegistry();
  registry.blobs.set(digest, bytes);
  return registry;
}

/** Makes a registry want tokens of its own token server, which gives `token-1`, `token-2` … to the agent only. */
function wantTokens(registry: OciRegistry, { expiresIn = 300 }: { expiresIn?: number } = {}) {
  let given = 0;
  const tokenRequests: URL[] = [];
  registry.intercept = async (request, response) => {
    const url = new URL(request.url ?? "", registry.url);
    if (url.pathname !== "/v2/token") return false;
    tokenRequests.push(url);
    if (request.headers.authorization !== basic) response.writeHead(401).end("{}");
    else response.end(JSON.stringify({ token: `token-${++given}`, expires_in: expiresIn }));
    return true;
  };
  registry.challenge = (request) =>
    request.headers.authorization === `Bearer token-${given}` && given > 0
      ? null
      : `Bearer realm="${registry.url}/v2/token",service="it",scope="repository:acme/hello:pull"`;
  return { tokenRequests, forget: () => given++ };
}

describe("authorization", () => {
  test("requests to an open registry have no credentials", async () => {
    const registry = await registryWithBlob();
    const client = registryClient(agentCredentials(registry.url, agentToken));
    expect(await pullText(client, registry)).toBe("some bytes");
    expect(registry.authorizations).toEqual([undefined]);
  });

  test("a challenge for Basic is answered with the account and the agent's token", async () => {
    const registry = await registryWithBlob();
    registry.challenge = ({ headers }) => (headers.authorization === basic ? null : 'Basic realm="it"');
    const client = registryClient(agentCredentials(registry.url, agentToken));
    expect(await pullText(client, registry)).toBe("some bytes");
    expect(await pullText(client, registry)).toBe("some bytes");
    expect(registry.authorizations).toEqual([undefined, basic, basic]);
  });

  test("a token is fetched once for a repository, for pulling only, and used until it expires", async () => {
    const registry = await registryWithBlob();
    const { tokenRequests } = wantTokens(registry);
    const client = registryClient(agentCredentials(registry.url, agentToken));
    expect(await pullText(client, registry)).toBe("some bytes");
    expect(await pullText(client, registry)).toBe("some bytes");
    expect(tokenRequests.map(({ searchParams }) => Object.fromEntries(searchParams))).toEqual([
      { service: "it", scope: "repository:acme/hello:pull" },
    ]);
    expect(registry.authorizations).toEqual([undefined, basic, "Bearer token-1", "Bearer token-1"]);
  });

  test("a token that is about to expire is not used, and one that is not taken is replaced", async () => {
    const registry = await registryWithBlob();
    const short = wantTokens(registry, { expiresIn: 1 });
    const client = registryClient(agentCredentials(registry.url, agentToken));
    await pullText(client, registry);
    await pullText(client, registry);
    expect(short.tokenRequests.length).toBe(2);

    const { tokenRequests, forget } = wantTokens(registry);
    await pullText(client, registry);
    forget();
    expect(await pullText(client, registry)).toBe("some bytes");
    expect(tokenRequests.length).toBe(2);
  });

  test("bad credentials are named in the failure", async () => {
    const registry = await registryWithBlob();
    wantTokens(registry);
    const client = registryClient(agentCredentials(registry.url, agentToken.replace("s", "t")));
    expect(await pullText(client, registry)).toMatchObject({
      code: "forbidden",
      message: expect.stringContaining("with the agent's token"),
    });
  });

  test("another registry than Slipway's never sees the agent's token", async () => {
    const other = await registryWithBlob();
    const client = registryClient(agentCredentials("http://127.0.0.1:1", agentToken));
    const { tokenRequests } = wantTokens(other);
    expect(await pullText(client, other)).toMatchObject({ code: "forbidden" });
    expect(tokenRequests.length).toBe(1);
    other.challenge = () => 'Basic realm="it"';
    expect(await pullText(client, other)).toMatchObject({ code: "forbidden" });
    expect(other.authorizations.filter((value) => value !== undefined)).toEqual([]);
  });

  test("a token server elsewhere does not see it either", async () => {
    const registry = await registryWithBlob();
    const elsewhere = await startOciRegistry();
    registry.challenge = () => `Bearer realm="${elsewhere.url}/token",service="it"`;
    const client = registryClient(agentCredentials(registry.url, agentToken));
    expect(await pullText(client, registry)).toMatchObject({ code: "unavailable" });
    expect(elsewhere.authorizations).toEqual([undefined]);
  });

  test("a token server over plain http on another machine gets no request", async () => {
    const registry = await registryWithBlob();
    registry.challenge = () => 'Bearer realm="http://registry.example.com/token"';
    const client = registryClient(agentCredentials(registry.url, agentToken));
    expect(await pullText(client, registry)).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("may not be asked"),
    });
  });

  test("several challenges in one header are separated", () => {
    expect(
      parseChallenges('Bearer realm="https://a/t?x=1,2",service="s\\"q", Basic realm=plain, charset="UTF-8"'),
    ).toEqual([
      { scheme: "bearer", parameters: { realm: "https://a/t?x=1,2", service: 's"q' } },
      { scheme: "basic", parameters: { realm: "plain", charset: "UTF-8" } },
    ]);
  });
});

describe("redirects", () => {
  async function redirecting(
    locationOf: (registry: OciRegistry, store: OciRegistry) => string,
    status = 307,
  ) {
    const [registry, store] = [await registryWithBlob(), await startOciRegistry()];
    registry.challenge = ({ headers }) => (headers.authorization === basic ? null : 'Basic realm="it"');
    registry.intercept = async ({ headers }, response) => {
      if (headers.authorization !== basic) return false;
      response.writeHead(status, { location: locationOf(registry, store) }).end();
      return true;
    };
    store.intercept = async (request, response) => {
      if (request.url === "/again") response.writeHead(302, { location: "/again" }).end();
      else response.end(bytes);
      return true;
    };
    return { registry, store, client: registryClient(agentCredentials(registry.url, agentToken)) };
  }

  test.for([301, 302, 303, 307, 308])("a blob behind a %i is fetched without credentials", async (status) => {
    const { registry, store, client } = await redirecting(
      (_, { url }) => `${url}/bucket/x?signature=y`,
      status,
    );
    expect(await pullText(client, registry)).toBe("some bytes");
    expect([store.requests, store.authorizations]).toEqual([["/bucket/x?signature=y"], [undefined]]);
  });

  test.for([
    ["over plain http to another machine", () => "http://storage.example.com/x"],
    [
      "with a user in the address",
      (_: OciRegistry, { url }: OciRegistry) => url.replace("//", "//user:password@"),
    ],
    ["of another scheme", () => "file:///etc/hostname"],
    ["without an address", () => ""],
    ["without an end", (_: OciRegistry, { url }: OciRegistry) => `${url}/again`],
  ] as const)("one %s is not followed", async ([, locationOf]) => {
    const { registry, client } = await redirecting(locationOf);
    expect(await pullText(client, registry)).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("redirects to where"),
    });
  });

  test("a manifest is not looked for elsewhere", async () => {
    const { registry, store, client } = await redirecting((_, { url }) => `${url}/x`);
    const opened = await client.open(registry.repository, "manifests", digest, never);
    expect(opened).toMatchObject({ ok: false, error: { code: "unavailable" } });
    expect(store.requests).toEqual([]);
  });
});

describe("addresses", () => {
  test.for([
    ["registry.example.com/acme/hello", "https://registry.example.com", "acme/hello"],
    ["registry.example.com:5000/acme/hello", "https://registry.example.com:5000", "acme/hello"],
    ["docker.io/library/node", "https://registry-1.docker.io", "library/node"],
    ["localhost:5000/a/b/c", "http://localhost:5000", "a/b/c"],
    ["127.0.0.1:8787/acme/hello", "http://127.0.0.1:8787", "acme/hello"],
    ["10.0.0.1:8787/acme/hello", "https://10.0.0.1:8787", "acme/hello"],
    ["127.0.0.1.example.com/a", "https://127.0.0.1.example.com", "a"],
  ] as const)("%s is at %s", ([repository, origin, name]) => {
    expect(parseRepository(repository)).toEqual({ ok: true, value: { origin, name } });
  });

  test.for(["hello", "acme/hello", "user@127.0.0.1:1/x", "a.b?c/d", "exa mple.com/x"])(
    "%s names no registry",
    (repository) => {
      expect(parseRepository(repository)).toMatchObject({ ok: false, error: { code: "image_not_found" } });
    },
  );
});

describe("what a registry answers", () => {
  test.for([
    [404, "image_not_found"],
    [403, "forbidden"],
    [429, "unavailable"],
    [500, "unavailable"],
    [204, "unavailable"],
  ] as const)("%i is the failure %s", async ([status, code]) => {
    const registry = await startOciRegistry();
    registry.intercept = async (_, response) => {
      response.writeHead(status).end();
      return true;
    };
    expect(await pullText(registryClient(null), registry)).toMatchObject({ code });
  });

  test("one that is not there is unavailable, with the reason", async () => {
    const opened = await registryClient(null).open("127.0.0.1:1/acme/hello", "blobs", digest, never);
    expect(opened).toMatchObject({
      ok: false,
      error: { code: "unavailable", message: expect.stringContaining("cannot be pulled: ") },
    });
  });
});

describe("what is not to be read", () => {
  let hostile: HostilePlace;
  share({
    start: async (stack) => {
      hostile = stack.use(await startHostileAnswers());
    },
  });

  test.for(["small-br", "bomb-br", "bomb-gzip", "flood"])("the token server's answer: %s", async (kind) => {
    const registry = await registryWithBlob();
    // Of this machine, as a registry of this machine may name it.
    registry.challenge = () => `Bearer realm="${hostile.url}/${kind}",service="it"`;
    expect(await pullText(registryClient(null), registry)).toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/content coding|more than 262144 bytes/),
    });
  });

  test("where a token server redirects to, with the credentials that it was sent", async () => {
    const registry = await registryWithBlob();
    registry.challenge = () => `Bearer realm="${hostile.url}/redirect",service="it"`;
    expect(await pullText(registryClient(null), registry)).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("answered 307"),
    });
  });

  test.for(["small-gzip", "bomb-br"])("a blob that is coded on its way: %s", async (kind) => {
    const registry = await registryWithBlob();
    registry.intercept = async (_, response) => {
      response.writeHead(307, { location: `${hostile.url}/${kind}` }).end();
      return true;
    };
    expect(await pullText(registryClient(null), registry)).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("content coding"),
    });
  });

  test("a failure's body, however long", async () => {
    const registry = await registryWithBlob();
    registry.intercept = async (_, response) => {
      response.writeHead(500);
      const flood = await fetch(`${hostile.url}/flood`);
      Readable.from(flood.body ?? []).pipe(response);
      return true;
    };
    expect(await pullText(registryClient(null), registry)).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("answered 500"),
    });
  });
});
