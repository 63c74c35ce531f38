import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { call, createAccount, createService, send, type TestAccount } from "../../support/worker/api.ts";
import {
  type RegistryClient,
  refusalOf,
  registryClient,
  sha,
  someBytes,
  types,
} from "../../support/worker/registry.ts";

let account: TestAccount;
let hello: RegistryClient;

beforeAll(async () => {
  account = await createAccount();
  await createService(account);
  hello = registryClient(account, account.admin);
});

const unknown = `sha256:${"1".repeat(64)}`;
const descriptor = (digest: string) => ({ mediaType: "application/octet-stream", digest, size: 2 });

/** A manifest whose config is the empty object, which is there. */
async function emptyImage(more: object = {}) {
  const config = { mediaType: types.image, ...(await hello.pushBlob(new TextEncoder().encode("{}"))) };
  return { schemaVersion: 2, config, layers: [], ...more };
}

describe("a manifest", () => {
  test("is given back byte for byte, by tag and by digest, to GET and to HEAD", async () => {
    const image = await emptyImage({ unknown: { "a b": [1.0, null] } });
    const text = `\n${JSON.stringify(image, null, 3)}  \n`;
    const { digest, answer } = await hello.putManifest("exact", text);
    expect(answer.status).toBe(201);
    expect(answer.headers.get("docker-content-digest")).toBe(digest);
    expect(answer.headers.get("location")).toBe(`/v2/${hello.name}/manifests/${digest}`);
    for (const reference of ["exact", digest, encodeURIComponent(digest)]) {
      const pulled = await hello.request(`manifests/${reference}`);
      expect(pulled.headers.get("content-type")).toBe(types.image);
      expect(pulled.headers.get("docker-content-digest")).toBe(digest);
      expect(await pulled.text()).toBe(text);
      const head = await hello.request(`manifests/${reference}`, { method: "HEAD" });
      expect(head.status).toBe(200);
      expect(head.headers.get("content-length")).toBe(String(text.length));
      expect(head.headers.get("docker-content-digest")).toBe(digest);
      expect(await head.text()).toBe("");
    }
  });

  test("of a digest that was not pushed, or under a tag that was not, is 404", async () => {
    for (const reference of [unknown, "no-such-tag", ".bad"]) {
      expect(await refusalOf(await hello.request(`manifests/${reference}`))).toEqual([
        404,
        "MANIFEST_UNKNOWN",
      ]);
      const head = await hello.request(`manifests/${reference}`, { method: "HEAD" });
      expect([head.status, await head.text()]).toEqual([404, ""]);
    }
  });

  test.each([
    ["docker's image", types.dockerImage],
    ["OCI's image", types.image],
  ])("of the type %s is taken", async (_, type) => {
    const { digest, answer } = await hello.putManifest(null, await emptyImage({ mediaType: type }), type);
    expect(answer.status).toBe(201);
    expect((await hello.request(`manifests/${digest}`)).headers.get("content-type")).toBe(type);
  });

  test.each([
    ["docker's list", types.dockerList],
    ["OCI's index", types.index],
  ])("of the type %s is taken when what it lists is there", async (_, type) => {
    const child = await hello.pushImage(null);
    const blob = await hello.pushBlob(someBytes(30));
    const index = {
      schemaVersion: 2,
      mediaType: type,
      manifests: [descriptor(child.digest), descriptor(blob.digest)],
    };
    const { digest, answer } = await hello.putManifest("many", index, type);
    expect(answer.status).toBe(201);
    const pulled = await hello.request("manifests/many");
    expect(pulled.headers.get("content-type")).toBe(type);
    expect(pulled.headers.get("docker-content-digest")).toBe(digest);
  });

  test("without a mediaType, with or without a Content-Type, has the type of its form", async () => {
    const image = await hello.putManifest(null, await emptyImage({ a: 1 }), null);
    const index = await hello.putManifest(null, { schemaVersion: 2, manifests: [], a: 1 }, null);
    const declared = await hello.putManifest(null, await emptyImage({ a: 2 }), types.dockerImage);
    const typeOf = async (digest: string) =>
      (await hello.request(`manifests/${digest}`)).headers.get("content-type");
    expect(await typeOf(image.digest)).toBe(types.image);
    expect(await typeOf(index.digest)).toBe(types.index);
    expect(await typeOf(declared.digest)).toBe(types.dockerImage);
  });

  test.each([
    ["in OCI's words", { mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" }],
    ["in docker's words", { mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" }],
    ["by their addresses", { urls: ["https://elsewhere.example/layer"] }],
  ])("whose layers are kept elsewhere, %s, is taken", async (_, said) => {
    const image = await emptyImage({ layers: [{ ...descriptor(unknown), ...said }] });
    expect((await hello.putManifest("foreign", image)).answer.status).toBe(201);
  });

  test("whose subject is not there is taken, and the answer names the subject", async () => {
    const { answer } = await hello.putManifest(null, await emptyImage({ subject: descriptor(unknown) }));
    expect([answer.status, answer.headers.get("oci-subject")]).toEqual([201, unknown]);
  });

  test("by its sha512 digest is kept under that", async () => {
    const text = JSON.stringify(await emptyImage({ a: 512 }));
    const digest = await sha(new TextEncoder().encode(text), "sha512");
    const { answer } = await hello.putManifest(digest, text);
    expect([answer.status, answer.headers.get("docker-content-digest")]).toEqual([201, digest]);
    expect(await (await hello.request(`manifests/${digest}`)).text()).toBe(text);
  });

  test("of 4 MiB is taken and given back, and one of more is 413", async () => {
    const image = await emptyImage({ annotations: { padding: "" } });
    const room = 4 * 1024 * 1024 - JSON.stringify(image).length;
    const padded = (more: number) =>
      JSON.stringify({
        ...image,
        annotations: { padding: "é".repeat(1000) + "x".repeat(room - 2000 + more) },
      });
    const largest = padded(0);
    const { digest, answer } = await hello.putManifest("largest", largest);
    expect(answer.status).toBe(201);
    expect(await sha(await (await hello.request(`manifests/${digest}`)).arrayBuffer())).toBe(digest);
    for (const text of [padded(1), padded(1024 * 1024)]) {
      expect(await refusalOf((await hello.putManifest("largest", text)).answer)).toEqual([
        413,
        "SIZE_INVALID",
      ]);
    }
    const stream = new Blob([padded(1024 * 1024)]).stream();
    const chunked = await hello.request("manifests/largest", { method: "PUT", body: stream });
    expect(await refusalOf(chunked)).toEqual([413, "SIZE_INVALID"]);
  });

  test.each([
    ["that is not JSON", "{"],
    ["that is empty", ""],
    ["that is a list", "[]"],
    ["without a config", JSON.stringify({ schemaVersion: 2, layers: [] })],
    ["of docker's first schema", JSON.stringify({ schemaVersion: 1, name: "a", tag: "b", fsLayers: [] })],
    [
      "whose config's digest is none",
      JSON.stringify({ schemaVersion: 2, config: descriptor("x"), layers: [] }),
    ],
  ])("%s is 400", async (_, text) => {
    expect(await refusalOf((await hello.putManifest("bad", text)).answer)).toEqual([400, "MANIFEST_INVALID"]);
    expect((await hello.request("manifests/bad")).status).toBe(404);
  });

  test("that is not UTF-8 is 400", async () => {
    const answer = await hello.request("manifests/bad", {
      method: "PUT",
      body: new Uint8Array([0x22, 0xff, 0x22]),
    });
    expect(await refusalOf(answer)).toEqual([400, "MANIFEST_INVALID"]);
  });

  test.each(["text/plain", "application/vnd.docker.distribution.manifest.v1+prettyjws"])(
    "sent as %s is 400",
    async (type) => {
      const { answer } = await hello.putManifest("bad", await emptyImage(), type);
      expect(await refusalOf(answer)).toEqual([400, "MANIFEST_INVALID"]);
    },
  );

  test("that says another type than its Content-Type is 400", async () => {
    const image = await emptyImage({ mediaType: types.image });
    const { answer } = await hello.putManifest("bad", image, types.dockerImage);
    expect(await refusalOf(answer)).toEqual([400, "MANIFEST_INVALID"]);
  });

  test("under a digest that it does not have is 400", async () => {
    const { answer } = await hello.putManifest(unknown, await emptyImage());
    expect(await refusalOf(answer)).toEqual([400, "DIGEST_INVALID"]);
    expect((await hello.request(`manifests/${unknown}`)).status).toBe(404);
    const malformed = await hello.putManifest("sha256:abc", await emptyImage());
    expect(await refusalOf(malformed.answer)).toEqual([400, "DIGEST_INVALID"]);
  });

  test("that refers to blobs or manifests that were not pushed here is 400", async () => {
    const elsewhere = registryClient(account, account.admin, "other");
    await createService(account, "other");
    const foreign = await elsewhere.pushBlob(someBytes(10));
    for (const layer of [unknown, foreign.digest]) {
      const { answer } = await hello.putManifest("bad", await emptyImage({ layers: [descriptor(layer)] }));
      expect(await refusalOf(answer)).toEqual([400, "MANIFEST_BLOB_UNKNOWN"]);
    }
    const index = { schemaVersion: 2, manifests: [descriptor(unknown)] };
    const { answer } = await hello.putManifest("bad", index, types.index);
    expect(await refusalOf(answer)).toEqual([400, "MANIFEST_BLOB_UNKNOWN"]);
    expect((await hello.request("manifests/bad")).status).toBe(404);
  });

  test.each([".hidden", "-dash", "a".repeat(129), "a b", "ä"])("under the tag `%s` is 400", async (tag) => {
    const { answer } = await hello.putManifest(encodeURIComponent(tag), await emptyImage());
    expect(await refusalOf(answer)).toEqual([400, "MANIFEST_INVALID"]);
  });

  test("by its digest takes tags from the query", async () => {
    const { digest } = await hello.pushImage(null, { a: "tagged by query" });
    const text = await (await hello.request(`manifests/${digest}`)).text();
    const init = { method: "PUT", body: text, headers: { "content-type": types.image } };
    const answer = await hello.request(`manifests/${digest}?tag=one&tag=two`, init);
    expect(answer.status).toBe(201);
    expect(answer.headers.get("oci-tag")).toBe("one, two");
    for (const tag of ["one", "two"]) {
      const pulled = await hello.request(`manifests/${tag}`);
      expect(pulled.headers.get("docker-content-digest")).toBe(digest);
    }
    const bad = await hello.request(`manifests/${digest}?tag=.x`, init);
    expect(await refusalOf(bad)).toEqual([400, "MANIFEST_INVALID"]);
    const many = Array.from({ length: 33 }, (_, i) => `tag=t${i}`).join("&");
    expect((await hello.request(`manifests/${digest}?${many}`, init)).status).toBe(414);
  });
});

describe("a push with a tag", () => {
  const images = z.object({
    images: z.array(z.object({ digest: z.string(), tag: z.string().nullable(), repository: z.string() })),
  });
  const info = z.object({
    last_image_digest: z.string().nullable(),
    last_image_upload_time: z.string().nullable(),
  });

  test("is in the service's images, and what its environments resolve to, when it is answered", async () => {
    const service = await createService(account, "fresh");
    const fresh = registryClient(account, account.admin, "fresh");
    const { digest } = await fresh.pushImage("latest");
    const listed = await call(images, `/v2/service/${account.name}/fresh/images`, { token: account.admin });
    expect(listed.images).toEqual([{ digest, tag: "latest", repository: `api.test/${fresh.name}` }]);
    const shown = await call(info, `/v2/service/${account.name}/fresh`, { token: account.admin });
    expect(shown.last_image_digest).toBe(digest);
    expect(shown.last_image_upload_time).not.toBeNull();
    const environment = z.object({ digest: z.string().nullable() });
    const path = `${service}/environments/default`;
    expect(await call(environment, path, { token: account.admin })).toEqual({ digest });
    const next = await fresh.pushImage("latest");
    expect(await call(environment, path, { token: account.admin })).toEqual({ digest: next.digest });
  });

  test("by digest only is the registry's own business", async () => {
    await createService(account, "quiet");
    await registryClient(account, account.admin, "quiet").pushImage(null);
    const listed = await call(images, `/v2/service/${account.name}/quiet/images`, { token: account.admin });
    expect(listed.images).toEqual([]);
  });

  test("of many at once leaves the tag on the same manifest here and at the service", async () => {
    await createService(account, "raced");
    const raced = registryClient(account, account.admin, "raced");
    const prepared = await Promise.all(Array.from({ length: 8 }, () => raced.pushImage(null)));
    await Promise.all(prepared.map(({ manifest }) => raced.putManifest("latest", manifest)));
    const here = (await raced.request("manifests/latest")).headers.get("docker-content-digest");
    const service = serviceStub(env, account.name, "raced");
    const resolved = await service.resolve("default", {});
    expect(resolved.ok && resolved.value.digest).toBe(here);
  });
});

describe("a service", () => {
  test("that does not exist has no repository to push to or to pull from", async () => {
    const nothing = registryClient(account, account.admin, "nothing");
    const requests: [string, string][] = [
      ["POST", "blobs/uploads/"],
      ["PUT", "manifests/latest"],
      ["GET", "manifests/latest"],
      ["GET", "tags/list"],
    ];
    for (const [method, path] of requests) {
      expect(await refusalOf(await nothing.request(path, { method }))).toEqual([404, "NAME_UNKNOWN"]);
    }
  });

  test("that is deleted takes its images along, and comes back without them", async () => {
    const path = await createService(account, "deleted");
    const deleted = registryClient(account, account.admin, "deleted");
    const { digest } = await deleted.pushImage("latest");
    expect((await send(path, { method: "DELETE", token: account.admin })).status).toBe(204);
    await createService(account, "deleted");
    for (const reference of ["latest", digest]) {
      expect(await refusalOf(await deleted.request(`manifests/${reference}`))).toEqual([
        404,
        "MANIFEST_UNKNOWN",
      ]);
    }
    const tags = await deleted.request("tags/list");
    expect(await tags.json()).toEqual({ name: deleted.name, tags: [] });
  });
});

describe("a name", () => {
  test.each([
    "Acme/hello",
    "acme/he%20llo",
    "acme//hello",
    "-acme/hello",
    `acme/${"a".repeat(300)}`,
    "%ZZ/hello",
  ])("that breaks the grammar is 400: %s", async (name) => {
    const answer = await send(`/v2/${name}/manifests/latest`, {
      headers: { authorization: hello.authorization },
    });
    expect(await refusalOf(answer)).toEqual([400, "NAME_INVALID"]);
  });

  test.each(["acme", "acme/hello/more", "acme/he_llo", "acme/a.b"])(
    "that no service can have is 404: %s",
    async (name) => {
      const answer = await send(`/v2/${name}/manifests/latest`, {
        headers: { authorization: hello.authorization },
      });
      expect(await refusalOf(answer)).toEqual([404, "NAME_UNKNOWN"]);
    },
  );
});

test("a path that is no endpoint is 404, and a method that an endpoint does not have 405", async () => {
  const nowhere = await hello.request("nonsense");
  expect(await refusalOf(nowhere)).toEqual([404, "UNSUPPORTED"]);
  const method = await hello.request("manifests/latest", { method: "PATCH" });
  expect(method.headers.get("allow")).toBe("GET, HEAD, PUT, DELETE");
  expect(await refusalOf(method)).toEqual([405, "UNSUPPORTED"]);
});

test.each(["GET", "HEAD"])("an image is sent only where the conditions of %s hold", async (method) => {
  const { digest } = await hello.pushImage("conditions");
  for (const reference of ["conditions", digest]) {
    const statusWith = async (headers: Record<string, string>) =>
      (await hello.request(`manifests/${reference}`, { method, headers })).status;
    expect(await statusWith({ "if-none-match": `"${digest}"` })).toBe(304);
    expect(await statusWith({ "if-none-match": '"other"' })).toBe(200);
    expect(await statusWith({ "if-match": '"other"' })).toBe(412);
    expect(await statusWith({ "if-match": `"${digest}"` })).toBe(200);
  }
});
