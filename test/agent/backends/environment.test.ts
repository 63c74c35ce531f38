import { expect, test } from "vitest";
import { digestOf, startCluster } from "../support/cluster.ts";

test("a backend gets the image's variables, the spawn's over them, and the platform's over all", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady("serve", {
    env: { FROM_SPAWN: "spawn", OVERRIDDEN: "spawn", SESSION_BACKEND_ID: "forged", PORT: "1" },
  });
  const { PORT, PATH, PWD: _PWD, ...env } = Object(await cluster.get(id, "/env"));
  expect(env).toEqual({
    FROM_IMAGE: "image",
    FROM_SPAWN: "spawn",
    OVERRIDDEN: "spawn",
    SESSION_BACKEND_ID: id,
    SESSION_BACKEND_KEY: "doc-123",
    SESSION_BACKEND_FENCING_TOKEN: "4711",
    SESSION_BACKEND_STATIC_TOKEN: "the backend's secret",
    JAMSOCKET_SERVICE: "hello",
    SLIPWAY_ENVIRONMENT: "prod",
    SLIPWAY_IMAGE: "v12",
    SLIPWAY_IMAGE_DIGEST: digestOf("serve"),
  });
  expect(Number(PORT)).toBeGreaterThan(1);
  expect(PATH).toBe(process.env.PATH);
});

test("a backend without a key gets no SESSION_BACKEND_KEY", async () => {
  const cluster = await startCluster();
  const id = await cluster.spawnReady("serve", { key: null });
  expect(await cluster.get(id, "/env")).not.toHaveProperty("SESSION_BACKEND_KEY");
});

test("what runs is labelled with what it is", async () => {
  const cluster = await startCluster();
  await cluster.spawnReady();
  await cluster.spawnReady("serve", { key: null });
  const labels = {
    account: "acme",
    service: "hello",
    environment: "prod",
    cluster: "eu-prod",
    fencing_token: "4711",
    digest: digestOf("serve"),
  };
  expect(cluster.starts.map((spec) => spec.labels)).toEqual([{ ...labels, key: "doc-123" }, labels]);
});
