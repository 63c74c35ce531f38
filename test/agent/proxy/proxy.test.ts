import { createHmac } from "node:crypto";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { fixtureImages, spawnData, startCluster, type TestCluster } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { gate } from "../support/gate.ts";

const json = { accept: "application/json" };

test("a request reaches its backend without the token, with path, query, method and headers kept", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const response = await fetch(await cluster.address(id, "/a//b%2F?x=%20&y"), {
    method: "PUT",
    headers: { "x-own": "1", authorization: "Basic abc" },
  });
  expect(await response.json()).toMatchObject({
    method: "PUT",
    url: "/a//b%2F?x=%20&y",
    headers: { "x-own": "1", authorization: "Basic abc", host: new URL(cluster.agent.url).host },
  });
});

test("the backend's own status reaches the client", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  expect((await fetch(await cluster.address(id, "/teapot"))).status).toBe(418);
});

test("the backend gets the user from the token, and not from the client", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const address = await cluster.address(id, "/", { user: "Zoë", auth: { role: "reader", name: "Zoë" } });
  const forged = { "X-Verified-Username": "root", "x-VERIFIED-user-data": "{}", "x-verified-else": "1" };
  const { headers } = Object(await (await fetch(address, { headers: forged })).json());
  expect(decodeURIComponent(headers["x-verified-username"])).toBe("Zoë");
  expect(JSON.parse(headers["x-verified-user-data"])).toEqual({ role: "reader", name: "Zoë" });
  expect(headers).not.toHaveProperty("x-verified-else");

  const anonymous = await verifiedOf(await cluster.address(id, "/"), forged);
  expect(anonymous).toEqual({
    "x-verified-user-data": "{}",
    "x-verified-backend": id,
    "x-verified-path": "/",
  });
});

/** The `x-verified-*` headers that a backend gets. */
async function verifiedOf(address: string, headers: Record<string, string>): Promise<object> {
  const seen = Object(await (await fetch(address, { headers })).json());
  const entries = Object.entries(seen.headers).filter(([name]) => /^x.verified/.test(name));
  return Object.fromEntries(entries);
}

test("the backend gets its id, the path that it sees, and the secret of each user's connection", async () => {
  const cluster = await startCluster();
  const { secret_token: spawnSecret } = spawnData();
  const id = await cluster.spawnReady();
  const forged = { "x-verified-secret": "0", "x-verified-path": "/", "x-verified-backend": "other" };
  for (const [user, tokenId] of [
    ["ada", "7c0e"],
    ["bob", "8d1f"],
  ] as const) {
    const address = await cluster.address(id, "/a//b%2F?x=%20&y", { user, tokenId });
    const secret = createHmac("sha256", spawnSecret).update(tokenId).digest("hex");
    expect(await verifiedOf(address, forged)).toEqual({
      "x-verified-username": user,
      "x-verified-user-data": "{}",
      "x-verified-backend": id,
      "x-verified-path": "/a//b%2F",
      "x-verified-secret": secret,
    });
  }
});

test("tokens of another backend, cluster or key, expired ones and nonsense are refused with 401", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const other = await cluster.spawnReady();
  const dayMs = 24 * 3600 * 1000;
  const tokens = [
    await cluster.slipway.token(other),
    await cluster.slipway.token(id, { cluster: "us-prod" }),
    await cluster.slipway.token(id, { account: "evil" }),
    await cluster.slipway.token(id, { grantedAt: Date.now() - dayMs - 60_000 }),
    `${(await cluster.slipway.token(id)).slice(0, -4)}AAAA`,
    "nonsense",
    "a.b.c",
  ];
  for (const token of tokens) {
    const response = await fetch(`${cluster.agent.url}/${id}/${token}/env`, { headers: json });
    expect(response.status).toBe(401);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toMatchObject({ error: { status: 401, code: "unauthorized" } });
  }
  expect((await fetch(`${cluster.agent.url}/${id}`)).status).toBe(401);
});

test("a backend that is not here is 404, as a page for a browser and as JSON where that is preferred", async () => {
  const cluster = await startCluster();
  const address = await cluster.address("k3f9qunheard0", "/");
  const page = await fetch(address, { headers: { accept: "text/html,*/*;q=0.8" } });
  expect([page.status, page.headers.get("content-type")]).toEqual([404, "text/html; charset=utf-8"]);
  expect(await page.text()).toContain("no backend runs at this address");
  const error = await fetch(address, { headers: json });
  expect(await error.json()).toMatchObject({ error: { status: 404, code: "backend_not_found" } });
  for (const path of ["/", "/favicon.ico", "/..%2f..%2fetc/passwd"]) {
    expect((await fetch(cluster.agent.url + path)).status).toBe(404);
  }
});

test("a backend that has ended is 410 as long as the agent remembers it, after its own restart too", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawn("exit-3");
  const unspawned = spawnData().backend_id;
  await cluster.terminate(unspawned, true);
  await cluster.knowsAcknowledged(id, "terminated");
  const expectGone = async ({ agent }: Pick<TestCluster, "agent">) => {
    for (const ended of [id, unspawned]) {
      const response = await fetch(`${agent.url}/${ended}/x/`, { headers: json });
      expect(response.status).toBe(410);
      expect(await response.json()).toMatchObject({ error: { status: 410, code: "backend_ended" } });
    }
  };
  await expectGone(cluster);
  await cluster.agent.close();
  await expectGone(await startCluster({ dir: cluster.dir, slipway: cluster.slipway }));
});

test("a backend whose end is forgotten is 404, as one that never was", async () => {
  const cluster = await startCluster({ clock: { endedRememberedMs: 0 } });
  const [id, other] = [await cluster.spawn("exit-3"), await cluster.spawn("never-listen")];
  await cluster.knowsAcknowledged(id, "terminated");
  await cluster.terminate(other, true);
  await cluster.knowsAcknowledged(other, "terminated");
  await eventually(async () => (await fetch(await cluster.address(id, "/"))).status).toBe(404);
});

test("a request waits for its backend to become ready", async () => {
  const pull = gate();
  const cluster = await startCluster({
    images: async (reference, signal) => {
      await pull.opened;
      return fixtureImages(reference, signal);
    },
  });
  const id = await cluster.spawn();
  const response = fetch(await cluster.address(id, "/"));
  await eventually(() => cluster.slipway.jwksRequests).toBe(1);
  pull.open();
  expect((await response).status).toBe(200);
});

test("a request to a backend that does not become ready in time is 503 with Retry-After", async () => {
  const cluster = await startCluster({ clock: { connectionWaitMs: 20 } });
  const id = await cluster.spawn("never-listen");
  const response = await fetch(await cluster.address(id, "/"), { headers: json });
  expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
});

test("a request that waits is answered as soon as its backend ends, with why it did", async () => {
  const cluster = await startCluster({ clock: { connectionWaitMs: 600_000 } });
  const id = await cluster.spawn("never-listen");
  const response = fetch(await cluster.address(id, "/"));
  await eventually(() => cluster.slipway.jwksRequests).toBe(1);
  await cluster.terminate(id, true);
  const answered = await response;
  expect(answered.status).toBe(410);
  expect(await answered.text()).toContain("reason external");
});

test("a backend that breaks a request off, or listens no more, is 502", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const broken = await fetch(await cluster.address(id, "/break"), { headers: json });
  expect(broken.status).toBe(502);
  expect(await broken.json()).toMatchObject({ error: { code: "backend_unreachable" } });
  // A POST has a connection of its own, so that none is left over which it would still answer.
  await fetch(await cluster.address(id, "/stop-listening"), { method: "POST" });
  expect((await fetch(await cluster.address(id, "/"))).status).toBe(502);
});

test("bodies stream both ways, piece by piece", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const upload = new TransformStream<Uint8Array, Uint8Array>();
  const writer = upload.writable.getWriter();
  const fetched = fetch(await cluster.address(id, "/echo"), {
    method: "POST",
    body: upload.readable,
    duplex: "half",
  });
  await writer.write(Buffer.from("one"));
  const response = await fetched;
  const reader = response.body?.getReader();
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("one");
  await writer.write(Buffer.from("two"));
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("two");
  await writer.close();
  expect((await reader?.read())?.done).toBe(true);
});

test("with a domain for backends, each has a URL with a host of its own, and is reached there", async () => {
  const cluster = await startCluster({ backendDomain: "localhost" });
  const { port } = new URL(cluster.agent.url);
  const data = spawnData();
  const spawned = await cluster.deliver("backend.spawn", data);
  const host = `${data.backend_id}.localhost:${port}`;
  expect(await spawned.json()).toEqual({ url: `http://${host}` });
  await cluster.reached(data.backend_id, "ready");
  const path = `/${await cluster.slipway.token(data.backend_id)}/webhook`;
  const request = httpRequest({ host: "127.0.0.1", port, path, headers: { host } });
  request.end();
  const [response] = await once(request, "response");
  expect(JSON.parse(await text(response))).toMatchObject({ url: "/webhook", headers: { host } });
});

test("a domain that is none is refused at the start", async () => {
  await expect(startCluster({ backendDomain: "https://example.com" })).rejects.toThrow("is not a domain");
});

test("a large body arrives whole", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const body = Buffer.alloc(5_000_000, "slipway ");
  const response = await fetch(await cluster.address(id, "/echo"), { method: "POST", body });
  expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
});

test("an address without the slash after the token redirects to the one with it, by a relative location", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const address = await cluster.address(id, "?x=1");
  const response = await fetch(address, { redirect: "manual" });
  expect(response.status).toBe(307);
  expect(response.headers.get("location")).toMatch(/^\.\/[\w.-]+\/\?x=1$/);
  expect(await (await fetch(address)).json()).toMatchObject({ url: "/?x=1" });
  const unauthorized = await fetch(`${cluster.agent.url}/${id}/nonsense`, { redirect: "manual" });
  expect(unauthorized.status).toBe(401);
});

test("a backend that requires a bearer token takes it from the header only, and does not see it", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady("serve", { require_bearer_token: true });
  const token = await cluster.slipway.token(id, { user: "alice" });
  const authorization = `Bearer ${token}`;
  const response = await fetch(`${cluster.agent.url}/${id}/a?x`, { headers: { authorization } });
  const seen = Object(await response.json());
  expect(seen).toMatchObject({ url: "/a?x", headers: { "x-verified-username": "alice" } });
  expect(seen.headers).not.toHaveProperty("authorization");
  expect((await fetch(`${cluster.agent.url}/${id}/${token}/a`)).status).toBe(401);
  const wrong = { authorization: "Bearer nonsense" };
  expect((await fetch(`${cluster.agent.url}/${id}/a`, { headers: wrong })).status).toBe(401);
});

test("the keys are fetched once for many connections, and again for a key id that is new", async () => {
  const cluster = await startCluster({ clock: { jwksRefetchAfterMs: 0 } });
  const id = await cluster.spawnReady();
  const old = await cluster.address(id, "/");
  await Promise.all([fetch(old), fetch(old), fetch(old)]);
  expect(cluster.slipway.jwksRequests).toBe(1);
  await cluster.slipway.rotateKeys();
  expect((await fetch(await cluster.address(id, "/"))).status).toBe(200);
  expect(cluster.slipway.jwksRequests).toBe(2);
  expect((await fetch(old)).status).toBe(401);
});

test("unknown key ids do not make the agent fetch the keys over and over", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  await fetch(await cluster.address(id, "/"));
  await cluster.slipway.rotateKeys();
  for (let i = 0; i < 3; i++) expect((await fetch(await cluster.address(id, "/"))).status).toBe(401);
  expect(cluster.slipway.jwksRequests).toBe(1);
});

test("connections are 503 while the keys were never to be had, and work as soon as they are", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  cluster.slipway.jwksStatus = 500;
  expect((await fetch(await cluster.address(id, "/"))).status).toBe(503);
  cluster.slipway.jwksStatus = 200;
  expect((await fetch(await cluster.address(id, "/"))).status).toBe(200);
});

test("a client that goes away during a request does no harm", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const { host } = new URL(cluster.agent.url);
  const [hostname, port] = host.split(":");
  const { pathname } = new URL(await cluster.address(id, "/echo"));
  const request = httpRequest({ hostname, port, path: pathname, method: "POST" });
  const closed = new Promise((resolve) => request.once("close", resolve));
  request.on("error", () => undefined);
  request.once("response", () => request.destroy());
  request.write("begun");
  await closed;
  expect((await fetch(await cluster.address(id, "/"))).status).toBe(200);
});
