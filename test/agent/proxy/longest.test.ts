import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { z } from "zod";
import { spawnEnvMaxBytes, urlMaxBytes } from "../../../src/domain/limits.ts";
import { connectBody } from "../../../src/protocol/jamsocket/v2.ts";
import { spawnData, startCluster } from "../support/cluster.ts";

const shown = z.object({ headers: z.record(z.string(), z.unknown()) });
const sha = (text: unknown) => createHash("sha256").update(String(text)).digest("hex");

test("a backend with the longest key and variables starts and gets them whole", async () => {
  const cluster = await startCluster();
  const [key, A] = ["\u{1f4a1}".repeat(128), "x".repeat(spawnEnvMaxBytes - 1)];
  const id = await cluster.spawnReady("serve", { key, env: { A } });
  const env = z.record(z.string(), z.string()).parse(await cluster.get(id, "/env"));
  expect([sha(env.A), env.SESSION_BACKEND_KEY]).toEqual([sha(A), key]);
});

test.for([
  ["in ASCII", { user: "x".repeat(1000), auth: { a: "x".repeat(2970) } }],
  ["that become longer as headers", { auth: { a: "語".repeat(1320) } }],
  ["of control characters", { user: "\0".repeat(600) }],
] as const)("the longest claims %s reach the backend through its URL", async ([, claims]) => {
  expect(connectBody.safeParse(claims).success).toBe(true);
  const cluster = await startCluster();
  const id = await cluster.spawnReady();
  const url = await cluster.address(id, "/anything", claims);
  expect(url.length).toBeLessThanOrEqual(urlMaxBytes);
  const response = await fetch(url);
  expect(response.status).toBe(200);
  const { headers } = shown.parse(await response.json());
  const { user, auth }: { user?: string; auth?: object } = claims;
  expect(headers["x-verified-username"] && decodeURIComponent(String(headers["x-verified-username"]))).toBe(
    user,
  );
  expect(JSON.parse(String(headers["x-verified-user-data"]))).toEqual(auth ?? {});
});

test("a webhook with what no process can be given is refused, and nothing is started", async () => {
  const cluster = await startCluster();
  for (const changes of [{ key: "a\0" }, { env: { A: "\0" } }, { env: { "A=B": "" } }, { mount: "../x" }]) {
    const response = await cluster.deliver("backend.spawn", spawnData("serve", changes));
    expect(response.status).toBe(400);
  }
  expect(cluster.starts).toEqual([]);
});
