import { env } from "cloudflare:workers";
import { describe, expect } from "vitest";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { history } from "../../../src/protocol/v3/services.ts";
import { call, createAccount, createCluster, send, type TestAccount } from "../../support/worker/api.ts";
import { ownRepository, type RegistryClient, refusalOf, types } from "../../support/worker/registry.ts";
import { clusterTest as test } from "../../support/worker/worker-test.ts";

let account: TestAccount;

test.beforeAll(async ({ cluster: _ }) => {
  account = await createAccount();
  await createCluster(account);
});

const repository = () => ownRepository(account);

const remove = (client: RegistryClient, reference: string) =>
  client.request(`manifests/${reference}`, { method: "DELETE" });

async function refusedBecause(answer: Response): Promise<string> {
  expect(await refusalOf(answer.clone())).toEqual([403, "DENIED"]);
  return answer.text();
}

const pin = (path: string, image: string) =>
  send(`${path}/environments/default/pin`, { method: "PUT", token: account.admin, json: { image } });

test("a push is a revision of the environment that follows its tag, by the token that pushed", async () => {
  const { client, path } = await repository();
  const { digest } = await client.pushImage("latest");
  const { revisions } = await call(history, `${path}/environments/default/history`, { token: account.admin });
  expect(revisions).toMatchObject([
    { revision: 2, kind: "push", digest, by: { token_id: account.admin.split(/[_.]/)[1] } },
    { revision: 1, kind: "create", digest: null },
  ]);
});

describe("a tag that is deleted", () => {
  test("leaves its manifest, and is gone at the service as well", async () => {
    const { client, path } = await repository();
    const { digest } = await client.pushImage("v1");
    expect((await remove(client, "v1")).status).toBe(202);
    expect(await refusalOf(await client.request("manifests/v1"))).toEqual([404, "MANIFEST_UNKNOWN"]);
    expect((await client.request(`manifests/${digest}`)).status).toBe(200);
    expect((await pin(path, "v1")).status).toBe(404);
    expect((await pin(path, digest)).status).toBe(200);
    expect(await refusalOf(await remove(client, "v1"))).toEqual([404, "MANIFEST_UNKNOWN"]);
  });

  test("is 403 while an environment follows it, and says which one", async () => {
    const { client, path } = await repository();
    await client.pushImage("v1");
    await pin(path, "v1");
    expect(await refusedBecause(await remove(client, "v1"))).toContain("`default`");
    expect((await client.request("manifests/v1")).status).toBe(200);
  });

  test("stays at the service where somebody recorded another image under it since", async () => {
    const { client, path } = await repository();
    await client.pushImage("v1");
    const elsewhere = `sha256:${"e".repeat(64)}`;
    await send(`${path}/images`, {
      token: account.admin,
      json: { digest: elsewhere, tag: "v1", repository: "ghcr.io/acme/hello" },
    });
    expect((await remove(client, "v1")).status).toBe(202);
    const pinned = await pin(path, "v1");
    expect(await pinned.json()).toMatchObject({ digest: elsewhere });
  });
});

describe("a manifest that is deleted", () => {
  test("takes its tags along, here and at the service", async () => {
    const { client, path } = await repository();
    const { digest, manifest } = await client.pushImage("v1");
    await client.putManifest("v2", manifest);
    await client.pushImage("kept");
    expect((await remove(client, digest)).status).toBe(202);
    for (const reference of ["v1", "v2", digest]) {
      expect(await refusalOf(await client.request(`manifests/${reference}`))).toEqual([
        404,
        "MANIFEST_UNKNOWN",
      ]);
      expect((await pin(path, reference)).status).toBe(404);
    }
    const tags = await client.request("tags/list");
    expect(await tags.json()).toMatchObject({ tags: ["kept"] });
    expect(await refusalOf(await remove(client, digest))).toEqual([404, "MANIFEST_UNKNOWN"]);
  });

  test("can be pushed and pinned again", async () => {
    const { client, path } = await repository();
    const { digest, manifest } = await client.pushImage("v1");
    await remove(client, digest);
    expect((await client.putManifest("v1", manifest)).answer.status).toBe(201);
    expect((await pin(path, "v1")).status).toBe(200);
  });

  test("beside pushes of it leaves no tag at the service that the registry would not serve", async () => {
    const { client, service } = await repository();
    const { digest, manifest } = await client.pushImage(null);
    for (let round = 0; round < 20; round++) {
      await client.putManifest("v1", manifest);
      await Promise.all([remove(client, digest), client.putManifest("v1", manifest), remove(client, digest)]);
      const images = await serviceStub(env, account.name, service).getImage(digest, { registryHost: "" });
      const served = (await client.request("manifests/v1", { method: "HEAD" })).status === 200;
      expect(images.ok && images.value.tags.includes("v1")).toBe(served);
    }
  });

  test("is 403 while an environment is pinned to it, and says which one", async () => {
    const { client, path } = await repository();
    const { digest } = await client.pushImage("v1");
    await pin(path, digest);
    expect(await refusedBecause(await remove(client, digest))).toContain("`default`");
    expect((await client.request(`manifests/${digest}`)).status).toBe(200);
  });

  test("is 403 while an environment follows a tag of it", async () => {
    const { client } = await repository();
    const { digest } = await client.pushImage("latest");
    expect(await refusedBecause(await remove(client, digest))).toContain("`default`");
  });

  test("is 403 while one of the last revisions of an environment resolved to it, and says which one", async () => {
    const { client, path } = await repository();
    const first = await client.pushImage("v1");
    const second = await client.pushImage("v2");
    await pin(path, first.digest);
    await pin(path, second.digest);
    const why = await refusedBecause(await remove(client, first.digest));
    expect(why).toContain("revision 2");
    expect(why).toContain("`default`");
  });

  test("is 403 while a live backend runs it, and says which one", async () => {
    const { client, path, service } = await repository();
    await pin(path, "latest");
    const { digest } = await client.pushImage("latest");
    const backend = await call(connectAnswer, `/v2/service/${account.name}/${service}/connect`, {
      token: account.admin,
      json: {},
    });
    await client.pushImage("latest");
    expect(await refusedBecause(await remove(client, digest))).toContain(backend.backend_id);
  });

  test("is 403 while an index lists it, and says which one", async () => {
    const { client } = await repository();
    const child = await client.pushImage(null);
    const { mediaType, digest, size } = child;
    const index = { schemaVersion: 2, mediaType: types.index, manifests: [{ mediaType, digest, size }] };
    const parent = await client.putManifest("many", index, types.index);
    expect(await refusedBecause(await remove(client, digest))).toContain(parent.digest);
    expect((await remove(client, parent.digest)).status).toBe(202);
    expect((await remove(client, digest)).status).toBe(202);
  });

  test.each(["sha256:abc", "sha256:"])("is 400 where it is no digest: %s", async (digest) => {
    const { client } = await repository();
    expect(await refusalOf(await remove(client, digest))).toEqual([400, "DIGEST_INVALID"]);
  });

  test.each(["nothing", `sha256:${"0".repeat(64)}`, ".x"])(
    "is 404 where it is not there: %s",
    async (reference) => {
      const { client } = await repository();
      expect(await refusalOf(await remove(client, reference))).toEqual([404, "MANIFEST_UNKNOWN"]);
    },
  );
});
