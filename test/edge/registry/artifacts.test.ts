import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect } from "vitest";
import { z } from "zod";
import { registryStub } from "../../../src/objects/stubs.ts";
import { image } from "../../../src/protocol/v3/images.ts";
import { pinAnswer, resolveAnswer } from "../../../src/protocol/v3/services.ts";
import { artifacts, images } from "../../protocol/oci/real-manifests.ts";
import {
  call,
  createAccount,
  createCluster,
  refusal,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";
import { ownRepository, type RegistryClient, someBytes, types } from "../../support/worker/registry.ts";
import { clusterTest as test } from "../../support/worker/worker-test.ts";

let account: TestAccount;

test.beforeAll(async ({ cluster: _ }) => {
  account = await createAccount();
  await createCluster(account);
});

const repository = () => ownRepository(account);

const layered = z.object({
  config: z.looseObject({}).optional(),
  layers: z.array(z.looseObject({})).optional(),
});

/** A manifest of these types whose blobs are there. */
async function withBlobs(client: RegistryClient, manifest: object): Promise<object> {
  const { config, layers } = layered.parse(manifest);
  if (!config) return manifest;
  const { data: _, ...described } = config;
  return {
    ...manifest,
    config: { ...described, ...(await client.pushBlob(someBytes(20))) },
    layers: await Promise.all(
      (layers ?? []).map(async (layer) => ({ ...layer, ...(await client.pushBlob(someBytes(30))) })),
    ),
  };
}

async function push(client: RegistryClient, tag: string, manifest: object) {
  const { mediaType = types.image } = z.object({ mediaType: z.string().optional() }).parse(manifest);
  const { digest, answer } = await client.putManifest(tag, await withBlobs(client, manifest), mediaType);
  if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
  return digest;
}

const token = () => ({ token: account.admin });
const resolve = (path: string, tag = "latest") =>
  call(resolveAnswer, `${path}/environments/default/resolve?tag=${tag}`, token());
const pin = (image: string) => ({ method: "PUT", token: account.admin, json: { image } });

/** Manifests of their own, without those that list others. */
const single = <T>(all: Record<string, T>, manifestOf: (entry: T) => object) =>
  Object.entries(all).filter(([, entry]) => "config" in manifestOf(entry));

describe("what clients push to a tag that an environment follows", () => {
  test.for(single(images, (manifest) => manifest))("moves it: %s", async ([, manifest]) => {
    const { client, path } = await repository();
    await client.pushImage("latest");
    const digest = await push(client, "latest", manifest);
    const resolution = await resolve(path);
    expect(resolution).toMatchObject({ action: "spawn", digest });
    expect(resolution).not.toHaveProperty("artifact");
  });

  test.for(single(artifacts, ([manifest]) => manifest))(
    "leaves it on the last image: %s",
    async ([, [manifest, artifact_type]]) => {
      const { client, path } = await repository();
      const last = await client.pushImage("latest");
      const digest = await push(client, "latest", manifest);
      expect(await resolve(path)).toMatchObject({
        action: "spawn",
        digest: last.digest,
        artifact: { digest, artifact_type, media_type: types.image },
      });
      const pulled = await client.request("manifests/latest", { method: "HEAD" });
      expect(pulled.headers.get("docker-content-digest")).toBe(digest);
      const refused = await refusal(`${path}/environments/default/pin`, pin(digest));
      expect(refused).toMatchObject({
        status: 409,
        code: "image_not_runnable",
        message: expect.stringContaining(artifact_type),
        error: { digest, artifact_type, media_type: types.image },
      });
    },
  );
});

describe("an index", () => {
  const unknown = { os: "unknown", architecture: "unknown" };
  const attestation = {
    schemaVersion: 2,
    mediaType: types.image,
    config: { mediaType: "application/vnd.oci.image.config.v1+json" },
    layers: [{ mediaType: "application/vnd.in-toto+json" }],
  };
  const index = (manifests: object[]) => ({ schemaVersion: 2, mediaType: types.index, manifests });
  const listed = (digest: string, more: object = {}) => ({
    mediaType: types.image,
    digest,
    size: 2,
    ...more,
  });

  test("with an image in it is one, whatever else it lists", async () => {
    const { client, path } = await repository();
    const child = await client.pushImage(null);
    const attested = await push(client, "attestation", attestation);
    const digest = await push(
      client,
      "latest",
      index([listed(attested, { platform: unknown }), listed(child.digest)]),
    );
    expect(await resolve(path)).toMatchObject({ action: "spawn", digest });
  });

  test("of nothing but artifacts is none, though it gives them platforms", async () => {
    const { client, path } = await repository();
    const attested = await push(client, "attestation", attestation);
    const platform = { os: "linux", architecture: "amd64" };
    const digest = await push(client, "latest", index([listed(attested, { platform })]));
    expect(await resolve(path)).toMatchObject({
      action: "refuse",
      digest: null,
      artifact: { digest, artifact_type: types.index },
      refusals: [
        { code: "image_not_runnable", message: expect.stringContaining("an index without an image") },
      ],
    });
  });

  test("is an image where an index that it lists is one", async () => {
    const { client, path } = await repository();
    const child = await client.pushImage(null);
    const inner = await push(client, "inner", index([listed(child.digest)]));
    const digest = await push(client, "latest", index([listed(inner, { mediaType: types.index })]));
    expect(await resolve(path)).toMatchObject({ action: "spawn", digest });
    const none = await push(client, "none", index([]));
    const outer = await push(client, "outer", index([listed(none, { mediaType: types.index })]));
    expect(await resolve(path, "outer")).toMatchObject({ action: "refuse", artifact: { digest: outer } });
  });
});

describe("a tag that stands on an artifact", () => {
  const chart = artifacts["helm push"]?.[0] ?? {};

  test("can be deleted though an environment follows it, which goes on", async () => {
    const { client, path } = await repository();
    const { digest } = await client.pushImage("latest");
    await push(client, "latest", chart);
    expect((await client.request("manifests/latest", { method: "DELETE" })).status).toBe(202);
    const resolution = await resolve(path);
    expect(resolution).toMatchObject({ action: "spawn", digest });
    expect(resolution).not.toHaveProperty("artifact");
    const refused = await client.request(`manifests/${digest}`, { method: "DELETE" });
    expect(refused.status).toBe(403);
  });

  test("goes with its manifest, and says then that nothing was pushed", async () => {
    const { client, path } = await repository();
    const digest = await push(client, "chart", chart);
    expect((await client.request(`manifests/${digest}`, { method: "DELETE" })).status).toBe(202);
    for (const gone of ["chart", digest]) {
      const refused = await refusal(`${path}/environments/default/pin`, pin(gone));
      expect([refused.status, refused.code]).toEqual([404, "image_not_found"]);
    }
  });

  test("is announced as what it is, also where it is announced later", async () => {
    const { client, path, service } = await repository();
    const digest = await push(client, "chart", chart);
    const deleted = await send(`${path}/images/${digest}`, { method: "DELETE", token: account.admin });
    expect(deleted.status).toBe(204);
    const registry = registryStub(env, account.name);
    await runInDurableObject(registry, (_, { storage }) => {
      storage.sql.exec("UPDATE tags SET announced = 0 WHERE repository = ?", service);
      return storage.setAlarm(Date.now() + 60_000);
    });
    await runDurableObjectAlarm(registry);
    expect(await call(image, `${path}/images/${digest}`, token())).toMatchObject({
      tags: ["chart"],
      artifact_type: "application/vnd.cncf.helm.config.v1+json",
    });
  });
});

test("an image that is recorded with another type than a manifest's is an artifact, as the answer says", async () => {
  const { path } = await repository();
  const digest = `sha256:${"d".repeat(64)}`;
  const media_type = "application/vnd.wasm.config.v0+json";
  const answer = await call(image, `${path}/images`, {
    token: account.admin,
    json: { digest, tag: "wasm", media_type },
  });
  expect(answer).toMatchObject({ artifact_type: media_type, tags: ["wasm"] });
  const listed = await send(`${path}/images`, token());
  expect(await listed.json()).toEqual({ images: [] });
  const pinned = await send(`${path}/environments/default/pin`, pin("wasm"));
  expect(pinned.status).toBe(409);
  const artifact_type = "application/vnd.oci.image.config.v1+json";
  await call(image, `${path}/images`, {
    token: account.admin,
    json: { digest: `sha256:${"e".repeat(64)}`, tag: "app", media_type: types.image, artifact_type },
  });
  expect(await call(pinAnswer, `${path}/environments/default/pin`, pin("app"))).toMatchObject({
    image: "app",
  });
});
