import { env } from "cloudflare:workers";
import { describe, expect } from "vitest";
import { imageContents } from "../../../src/edge/views/image-contents.ts";
import { registryStub } from "../../../src/objects/stubs.ts";
import { createAccount, createService } from "../../support/worker/api.ts";
import { passTimeAndSettle } from "../../support/worker/clock.ts";
import { refusalOf, registryClient, sha, someBytes, types } from "../../support/worker/registry.ts";
import { clockTest } from "../../support/worker/worker-test.ts";

/* As `regctl image copy --platforms` makes them: an index, and some of the images that it lists. */

const day = 24 * 3_600_000;

const test = clockTest
  .extend("account", ({ clock: _ }) => createAccount())
  .extend("hello", async ({ account }) => {
    await createService(account);
    return registryClient(account, account.admin);
  })
  .extend(
    "pass",
    ({ account }) =>
      (ms: number) =>
        passTimeAndSettle(registryStub(env, account.name), ms),
  )
  /** An image that is here, one that comes later, and an index of both. */
  .extend("sparse", async ({ hello }) => {
    const here = await hello.pushImage(null);
    const later = JSON.stringify({ ...here.manifest, annotations: { platform: "another" } });
    const laterDigest = await sha(new TextEncoder().encode(later));
    const manifests = [here.digest, laterDigest].map((digest) => ({
      mediaType: types.image,
      digest,
      size: 1,
    }));
    const index = { schemaVersion: 2, mediaType: types.index, manifests };
    return { here, later, laterDigest, index, push: () => hello.putManifest("sparse", index, types.index) };
  });

describe("an index", () => {
  test("is taken with one of the images that it lists, and refused without any", async ({
    hello,
    sparse,
    account,
  }) => {
    const { digest, answer } = await sparse.push();
    expect(answer.status).toBe(201);
    expect((await hello.request("manifests/sparse")).headers.get("docker-content-digest")).toBe(digest);
    expect(await refusalOf(await hello.request(`manifests/${sparse.laterDigest}`))).toEqual([
      404,
      "MANIFEST_UNKNOWN",
    ]);
    const repository = { account: account.name, service: "hello" };
    const shown = await imageContents(env, repository, digest);
    expect(shown?.kind === "index" && shown.images.map(({ image }) => image !== null)).toEqual([true, false]);
    const [size] = await registryStub(env, account.name).imageSizes(repository, [digest]);
    expect(size?.index).toEqual({ counted: 1, listed: 2 });

    const none = { ...sparse.index, manifests: sparse.index.manifests.slice(1) };
    const refused = await hello.putManifest("none", none, types.index);
    expect(await refusalOf(refused.answer)).toEqual([400, "MANIFEST_BLOB_UNKNOWN"]);
  });

  test("keeps an image that comes later, as it keeps the others, and lets go of both", async ({
    hello,
    sparse,
    pass,
  }) => {
    const { digest } = await sparse.push();
    await pass(8 * day);
    expect((await hello.putManifest(null, sparse.later)).answer.status).toBe(201);
    const statuses = async () =>
      Promise.all(
        [digest, sparse.here.digest, sparse.laterDigest].map(
          async (one) => (await hello.request(`manifests/${one}`, { method: "HEAD" })).status,
        ),
      );
    await pass(30 * day);
    expect(await statuses()).toEqual([200, 200, 200]);
    const child = await hello.request(`manifests/${sparse.laterDigest}`, { method: "DELETE" });
    expect(await refusalOf(child)).toEqual([403, "DENIED"]);
    expect((await hello.request(`manifests/${digest}`, { method: "DELETE" })).status).toBe(202);
    await pass(8 * day);
    expect(await statuses()).toEqual([404, 404, 404]);
  });

  test("that never gets what is missing is deleted and collected like any other", async ({
    hello,
    sparse,
    pass,
  }) => {
    const { digest } = await sparse.push();
    expect((await hello.request(`manifests/${digest}`, { method: "DELETE" })).status).toBe(202);
    const again = await hello.putManifest(null, sparse.index, types.index);
    expect(again.answer.status).toBe(201);
    await pass(8 * day);
    expect((await hello.request(`manifests/${digest}`, { method: "HEAD" })).status).toBe(404);
    await pass(8 * day);
    expect((await hello.request(`manifests/${sparse.here.digest}`, { method: "HEAD" })).status).toBe(404);
  });
});

test("a blob that comes after a manifest which refers to it is kept as long as the manifest", async ({
  hello,
  pass,
}) => {
  const bytes = someBytes(40);
  const late = { mediaType: "application/octet-stream", digest: await sha(bytes), size: 40 };
  const config = {
    mediaType: "application/vnd.oci.image.config.v1+json",
    ...(await hello.pushBlob(someBytes(9))),
  };
  const foreign = { ...late, urls: ["https://elsewhere.example/layer"] };
  const { digest } = await hello.pushImage(null);
  const cache = { mediaType: types.image, digest, size: 1 };
  const referring: [object, string][] = [
    [{ schemaVersion: 2, mediaType: types.image, config, layers: [foreign] }, types.image],
    [{ schemaVersion: 2, mediaType: types.index, manifests: [cache, late] }, types.index],
  ];
  for (const [manifest, type] of referring) {
    const put = await hello.putManifest("referring", manifest, type);
    expect(put.answer.status).toBe(201);
    await hello.pushBlob(bytes);
    await pass(3 * day);
    expect((await hello.request(`blobs/${late.digest}`)).status).toBe(200);
    expect((await hello.request(`manifests/${put.digest}`, { method: "DELETE" })).status).toBe(202);
    await pass(2 * day);
    expect((await hello.request(`blobs/${late.digest}`)).status).toBe(404);
  }
});
