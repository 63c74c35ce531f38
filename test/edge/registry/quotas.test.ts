import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { openUploadsMax, quotaLimitMax, untaggedManifestsMax } from "../../../src/domain/limits.ts";
import type { QuotaName } from "../../../src/domain/quotas.ts";
import { registryStub } from "../../../src/objects/stubs.ts";
import { account as accountSchema } from "../../../src/protocol/v3/accounts.ts";
import { call, createAccount, createService, type TestAccount } from "../../support/worker/api.ts";
import {
  type RegistryClient,
  type RegistryRequest,
  refusalOf,
  registryClient,
  sendOci,
  sha,
  someBytes,
  types,
} from "../../support/worker/registry.ts";

let account: TestAccount;
let hello: RegistryClient;

beforeEach(async () => {
  account = await createAccount();
  await createService(account);
  hello = registryClient(account, account.admin);
});

const at = (location: string, request: RegistryRequest) =>
  sendOci(location, { authorization: hello.authorization, ...request });

const quotas = async () =>
  (await call(accountSchema, `/v3/accounts/${account.name}`, { token: account.admin })).quotas;

async function limit(name: QuotaName, to: number): Promise<void> {
  const path = `/v3/accounts/${account.name}`;
  const json = { quotas: { [name]: to } };
  await call(accountSchema, path, { method: "PATCH", token: env.ROOT_TOKEN, json });
}

/** Allows what is used, and `more`. */
async function leave(name: QuotaName, more: number): Promise<void> {
  await limit(name, (await quotas())[name].used + more);
}

/** An image of one blob, which is pushed. */
async function image(bytes = someBytes(100)): Promise<string> {
  await hello.pushBlob(bytes);
  return manifestOf(await sha(bytes), bytes.byteLength);
}

function manifestOf(digest: string, size: number): string {
  const config = { mediaType: "application/octet-stream", digest, size };
  return JSON.stringify({ schemaVersion: 2, mediaType: types.image, config, layers: [] });
}

const pushed = async (manifest: string, reference: string) =>
  (await hello.putManifest(reference, manifest)).answer;

/** A digest that is in order, and of nothing that was pushed. */
const noDigest = `sha256:${"0".repeat(64)}`;

/** Begins an upload. @param length of a first chunk @returns its location */
async function beginning(length = 0): Promise<string> {
  const begun = await hello.request("blobs/uploads/", { method: "POST" });
  const location = begun.headers.get("location") ?? "";
  if (length > 0) await at(location, { method: "PATCH", body: someBytes(length) });
  return location;
}

async function tagsThere(): Promise<unknown> {
  return (await hello.request("tags/list")).json();
}

describe.each(["images", "tags"] as const)("a push over the quota of %s", (name) => {
  test("is denied, with the quota, what is used of it and its limit, and changes nothing", async () => {
    expect((await pushed(await image(), "v1")).status).toBe(201);
    const manifest = await image();
    const digest = await sha(new TextEncoder().encode(manifest));
    await leave(name, 0);
    const before = [await quotas(), await tagsThere()];
    const answer = await pushed(manifest, "v2");
    expect(await answer.clone().text()).toContain(
      `the account's quota \`${name}\` does not allow 1 more: 1 of 1 are used`,
    );
    expect(await refusalOf(answer)).toEqual([403, "DENIED"]);
    expect([await quotas(), await tagsThere()]).toEqual(before);
    expect((await hello.request(`manifests/${digest}`)).status).toBe(404);
  });

  test("passes where one more is allowed, and again when it is repeated", async () => {
    await leave(name, 1);
    const manifest = await image();
    expect((await pushed(manifest, "v1")).status).toBe(201);
    expect((await pushed(manifest, "v1")).status).toBe(201);
    expect((await quotas())[name]).toEqual({ used: 1, limit: 1 });
  });
});

test("a tag moves to an image that is there already when nothing more is allowed", async () => {
  const [first, second] = [await image(), await image()];
  for (const [manifest, tag] of [
    [first, "v1"],
    [second, "v2"],
  ] as const)
    await pushed(manifest, tag);
  for (const name of ["images", "tags", "untagged_bytes"] as const) await limit(name, 0);
  expect((await pushed(second, "v1")).status).toBe(201);
});

describe("the bytes that no tag keeps", () => {
  const untagged = async () => (await quotas()).untagged_bytes.used;

  test("are those of uploads, of blobs and of manifests without a tag, until a tag keeps them", async () => {
    const bytes = someBytes(100);
    const begun = await hello.request("blobs/uploads/", { method: "POST" });
    const location = begun.headers.get("location") ?? "";
    expect(await untagged()).toBe(0);
    await at(location, { method: "PATCH", body: bytes });
    expect(await untagged()).toBe(100);
    await at(`${location}?digest=${await sha(bytes)}`, { method: "PUT" });
    expect(await untagged()).toBe(100);
    const manifest = manifestOf(await sha(bytes), 100);
    const digest = await sha(new TextEncoder().encode(manifest));
    await pushed(manifest, digest);
    expect(await untagged()).toBe(100 + manifest.length);
    await pushed(manifest, "v1");
    expect(await untagged()).toBe(0);
    await hello.request("manifests/v1", { method: "DELETE" });
    expect(await untagged()).toBe(100 + manifest.length);
    await hello.request(`manifests/${digest}`, { method: "DELETE" });
    expect(await untagged()).toBe(100);
  });

  /** Each way in which a client sends a blob, and what it is answered in the end. */
  const ways: [string, (bytes: Uint8Array<ArrayBuffer>, digest: string) => Promise<Response>][] = [
    [
      "in one request",
      (body, digest) => hello.request(`blobs/uploads/?digest=${digest}`, { method: "POST", body }),
    ],
    [
      "with the end of its upload",
      async (body, digest) => {
        const begun = await hello.request("blobs/uploads/", { method: "POST" });
        if (begun.status !== 202) return begun;
        return at(`${begun.headers.get("location")}?digest=${digest}`, { method: "PUT", body });
      },
    ],
    [
      "in a chunk",
      async (body, digest) => {
        const begun = await hello.request("blobs/uploads/", { method: "POST" });
        if (begun.status !== 202) return begun;
        const location = begun.headers.get("location") ?? "";
        const added = await at(location, { method: "PATCH", body });
        return added.status === 202 ? at(`${location}?digest=${digest}`, { method: "PUT" }) : added;
      },
    ],
    [
      "in a chunk whose length is not known",
      async (bytes, digest) => {
        const begun = await hello.request("blobs/uploads/", { method: "POST" });
        if (begun.status !== 202) return begun;
        const location = begun.headers.get("location") ?? "";
        const body = new Blob([bytes]).stream();
        const added = await at(location, { method: "PATCH", body });
        return added.status === 202 ? at(`${location}?digest=${digest}`, { method: "PUT" }) : added;
      },
    ],
  ];

  test.for(ways)("are not more than is allowed by a blob that comes %s", async ([, send]) => {
    const fits = someBytes(100);
    await leave("untagged_bytes", 100);
    expect((await send(fits, await sha(fits))).status).toBe(201);
    for (const more of [1, 99]) {
      await leave("untagged_bytes", more - 1);
      const bytes = someBytes(more);
      const digest = await sha(bytes);
      const answer = await send(bytes, digest);
      expect(await answer.clone().text()).toContain("`untagged_bytes`");
      expect(await refusalOf(answer)).toEqual([403, "DENIED"]);
      expect((await hello.request(`blobs/${digest}`, { method: "HEAD" })).status).toBe(404);
    }
  });

  /** Each way in which bytes come whose number is not known, as the request that brings them. */
  const unknownLengths: [string, () => Promise<[path: string, method: string]>][] = [
    ["a chunk", async () => [await beginning(), "PATCH"]],
    ["a later chunk", async () => [await beginning(10), "PATCH"]],
    ["the end of an upload", async () => [`${await beginning()}?digest=${noDigest}`, "PUT"]],
    ["a whole blob", async () => [`/v2/${hello.name}/blobs/uploads/?digest=${noDigest}`, "POST"]],
  ];

  test.for(unknownLengths)(
    "are refused as soon as %s brings too many, however many more would come",
    async ([, begin]) => {
      await limit("untagged_bytes", quotaLimitMax);
      const [path, method] = await begin();
      await leave("untagged_bytes", 99);
      const before = await untagged();
      const { readable, writable } = new IdentityTransformStream();
      const writer = writable.getWriter();
      const written = writer.write(someBytes(100));
      const answer = await at(path, { method, body: readable });
      expect(await answer.clone().text()).toContain(
        "the account's quota `untagged_bytes` does not allow 100 more",
      );
      expect(await refusalOf(answer)).toEqual([403, "DENIED"]);
      await Promise.allSettled([written, writer.close()]);
      expect(await untagged()).toBe(before);
    },
  );

  test("of a blob that the account has are not refused to whoever sends it once more", async () => {
    const bytes = someBytes(100);
    const digest = await sha(bytes);
    await hello.pushBlob(bytes);
    await limit("untagged_bytes", 0);
    const again = await hello.request(`blobs/uploads/?digest=${digest}`, { method: "POST", body: bytes });
    expect(again.status).toBe(201);
    expect((await quotas()).untagged_bytes).toEqual({ used: 100, limit: 0 });
  });

  test("of a manifest without a tag are refused, and those of one with a tag are not", async () => {
    const manifest = await image();
    const digest = await sha(new TextEncoder().encode(manifest));
    await leave("untagged_bytes", manifest.length - 1);
    expect(await refusalOf(await pushed(manifest, digest))).toEqual([403, "DENIED"]);
    expect((await pushed(manifest, "v1")).status).toBe(201);
    await limit("untagged_bytes", quotaLimitMax);
    expect((await pushed(manifest, digest)).status).toBe(201);
    expect(await untagged()).toBe(0);
  });
});

describe("what has hardly a byte is bounded by its number", () => {
  const registry = () => registryStub(env, account.name);
  const filled = (statement: string, count: number) =>
    runInDurableObject(registry(), (_, { storage }) => {
      const counted = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`;
      storage.sql.exec(statement.replace("COUNTED", counted)).toArray();
    });

  test("uploads", async () => {
    const begin = () => hello.request("blobs/uploads/", { method: "POST" });
    const location = (await begin()).headers.get("location") ?? "";
    await filled(
      `INSERT INTO uploads (id, repository, key, version, state, updated_at)
       COUNTED SELECT 'x' || i, 'hello', 'x' || i, 0, '{"offset":0,"partEtags":[],"tail":null}', 9e12 FROM n`,
      openUploadsMax - 2,
    );
    expect((await begin()).status).toBe(202);
    for (const path of ["", `?digest=${noDigest}`]) {
      const refused = await hello.request(`blobs/uploads/${path}`, { method: "POST" });
      expect(await refusalOf(refused)).toEqual([403, "DENIED"]);
    }
    expect((await at(location, { method: "DELETE" })).status).toBe(204);
    expect((await begin()).status).toBe(202);
  });

  test("manifests without a tag", async () => {
    const [first, second, third] = [await image(), await image(), await image()];
    const digests = await Promise.all([first, second].map((one) => sha(new TextEncoder().encode(one))));
    const [digest = "", next = ""] = digests;
    await pushed(first, digest);
    await filled(
      `INSERT INTO manifests (repository, digest, media_type, size)
       COUNTED SELECT 'hello', 'x' || i, 'x', 1 FROM n`,
      untaggedManifestsMax - 1,
    );
    expect(await refusalOf(await pushed(second, next))).toEqual([403, "DENIED"]);
    expect((await pushed(first, digest)).status).toBe(201);
    expect((await pushed(third, "v1")).status).toBe(201);
    expect((await pushed(first, "v2")).status).toBe(201);
    expect((await pushed(second, next)).status).toBe(201);
  });
});
