import { beforeAll, describe, expect, test } from "vitest";
import { createAccount, createService, type TestAccount } from "../../support/worker/api.ts";
import {
  type RegistryClient,
  refusalOf,
  registryClient,
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

const unknown = `sha256:${"f".repeat(64)}`;

/**
 * The headers of a request for what stands, or would stand, on a digest, and what becomes of a read and of a write where
 * something is there; where nothing is, only `If-Match` keeps a write from being made.
 */
const conditions: { headers: (digest: string) => Record<string, string>; read: number; write: boolean }[] = [
  { headers: () => ({}), read: 200, write: true },
  { headers: () => ({ "if-none-match": "*" }), read: 304, write: false },
  { headers: (digest) => ({ "if-none-match": `"${digest}"` }), read: 304, write: false },
  { headers: (digest) => ({ "if-none-match": `W/"${digest}"` }), read: 304, write: false },
  { headers: (digest) => ({ "if-none-match": `"x", "${digest}"` }), read: 304, write: false },
  { headers: () => ({ "if-none-match": `"${unknown}"` }), read: 200, write: true },
  { headers: () => ({ "if-match": "*" }), read: 200, write: true },
  { headers: (digest) => ({ "if-match": `"${digest}"` }), read: 200, write: true },
  { headers: (digest) => ({ "if-match": `"x", "${digest}"` }), read: 200, write: true },
  { headers: (digest) => ({ "if-match": `W/"${digest}"` }), read: 412, write: false },
  { headers: () => ({ "if-match": `"${unknown}"` }), read: 412, write: false },
  { headers: (digest) => ({ "if-match": `"${digest}"`, "if-none-match": "*" }), read: 304, write: false },
];
const cases = conditions.map((condition) => ({
  condition: JSON.stringify(condition.headers("sha256:…")),
  isIfMatch: Object.keys(condition.headers("")).includes("if-match"),
  ...condition,
}));

interface Thing {
  path: string;
  digest: string;
  /** What a PUT of it sends. */
  body?: string;
}

/** What has an ETag: each made anew, there or not. */
const things: Record<string, (isThere: boolean) => Promise<Thing>> = {
  "a manifest by its tag": async (isThere) => {
    const tag = `t${crypto.randomUUID()}`;
    const { digest, manifest } = await hello.pushImage(isThere ? tag : null);
    return { path: `manifests/${tag}`, digest, body: JSON.stringify(manifest) };
  },
  "a manifest by its digest": async (isThere) => {
    const { digest, manifest } = await hello.pushImage(null);
    if (!isThere) await hello.request(`manifests/${digest}`, { method: "DELETE" });
    return { path: `manifests/${digest}`, digest, body: JSON.stringify(manifest) };
  },
  "a blob": async (isThere) => {
    const digest = isThere ? (await hello.pushBlob(someBytes(20))).digest : unknown;
    return { path: `blobs/${digest}`, digest };
  },
};
const named = Object.entries(things).map(([name, make]) => ({ name, make }));

const isThereNow = async ({ path }: Thing) => (await hello.request(path, { method: "HEAD" })).status === 200;

describe.each(named)("$name", ({ make }) => {
  describe.each(["GET", "HEAD"])("is read by %s", (method) => {
    test.each(cases)("with $condition: $read", async ({ headers, read }) => {
      const there = await make(true);
      const answer = await hello.request(there.path, { method, headers: headers(there.digest) });
      expect([answer.status, answer.headers.get("etag")]).toEqual([read, `"${there.digest}"`]);
      if (read === 412 && method === "GET")
        expect(await refusalOf(answer)).toEqual([412, "PRECONDITION_FAILED"]);
      else if (read !== 200 || method === "HEAD") expect(await answer.text()).toBe("");
      else await answer.arrayBuffer();
      if (read === 412) expect(answer.headers.get("cache-control")).toBeNull();

      const absent = await make(false);
      const missing = await hello.request(absent.path, { method, headers: headers(absent.digest) });
      expect(missing.status).toBe(404);
    });
  });

  describe("is deleted", () => {
    test.each(cases)("with $condition: $write", async ({ headers, write }) => {
      const there = await make(true);
      const request = { method: "DELETE", headers: headers(there.digest) };
      const answer = await hello.request(there.path, request);
      expect(answer.status).toBe(write ? 202 : 412);
      if (!write) expect(await refusalOf(answer)).toEqual([412, "PRECONDITION_FAILED"]);
      expect(await isThereNow(there)).toBe(!write);

      const absent = await make(false);
      const missing = await hello.request(absent.path, { ...request, headers: headers(absent.digest) });
      expect(missing.status).toBe(404);
    });
  });
});

describe.each(named.filter(({ name }) => name !== "a blob"))("$name", ({ make }) => {
  test.each(cases)("is put with $condition: $write", async ({ headers, write, isIfMatch }) => {
    for (const [thing, may] of [
      [await make(true), write],
      [await make(false), !isIfMatch],
    ] as const) {
      const body = thing.body ?? "";
      const type = { "content-type": types.image };
      const before = await isThereNow(thing);
      const answer = await hello.request(thing.path, {
        method: "PUT",
        body,
        headers: { ...type, ...headers(thing.digest) },
      });
      expect(answer.status).toBe(may ? 201 : 412);
      if (!may) expect(await refusalOf(answer)).toEqual([412, "PRECONDITION_FAILED"]);
      expect(await isThereNow(thing)).toBe(may || before);
    }
  });
});

describe("conditions of a push", () => {
  const put = (reference: string, manifest: object, headers: Record<string, string>) =>
    hello.request(`manifests/${reference}`, {
      method: "PUT",
      body: JSON.stringify(manifest),
      headers: { "content-type": types.image, ...headers },
    });
  const standsOn = async (tag: string) =>
    (await hello.request(`manifests/${tag}`, { method: "HEAD" })).headers.get("docker-content-digest");

  test("by digest with tags are of the tags, of which none moves where one does not stand as expected", async () => {
    const first = await hello.pushImage("one");
    const next = await hello.pushImage(null);
    const path = `${next.digest}?tag=one&tag=two`;
    for (const headers of [{ "if-none-match": "*" }, { "if-match": `"${first.digest}"` }]) {
      expect((await put(path, next.manifest, headers)).status).toBe(412);
    }
    expect([await standsOn("one"), await standsOn("two")]).toEqual([first.digest, null]);
    const one = await put(`${next.digest}?tag=one`, next.manifest, { "if-match": `"${first.digest}"` });
    const two = await put(`${next.digest}?tag=two`, next.manifest, { "if-none-match": "*" });
    expect([one.status, two.status]).toEqual([201, 201]);
    expect([await standsOn("one"), await standsOn("two")]).toEqual([next.digest, next.digest]);
  });

  test("hold in an account that has no images yet", async () => {
    const fresh = await createAccount();
    await createService(fresh);
    const client = registryClient(fresh, fresh.admin);
    const index = JSON.stringify({ schemaVersion: 2, manifests: [] });
    const send = (headers: Record<string, string>) =>
      client.request("manifests/v1", {
        method: "PUT",
        body: index,
        headers: { "content-type": types.index, ...headers },
      });
    expect((await send({ "if-match": "*" })).status).toBe(412);
    expect((await send({ "if-none-match": "*" })).status).toBe(201);
    expect((await send({ "if-none-match": "*" })).status).toBe(412);
  });

  test("that race have one winner: `If-None-Match: *` where the tag is new", async () => {
    await haveOneWinner(`raced-${crypto.randomUUID()}`, { "if-none-match": "*" });
  });

  test("that race have one winner: `If-Match` where it stands on another", async () => {
    const tag = `raced-${crypto.randomUUID()}`;
    const { digest } = await hello.pushImage(tag);
    await haveOneWinner(tag, { "if-match": `"${digest}"` });
  });

  async function haveOneWinner(tag: string, headers: Record<string, string>): Promise<void> {
    const images = await Promise.all(Array.from({ length: 8 }, () => hello.pushImage(null)));
    const answers = await Promise.all(images.map(({ manifest }) => put(tag, manifest, headers)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(412)]);
    const winners = images.filter((_, i) => answers[i]?.status === 201);
    expect(winners.map(({ digest }) => digest)).toEqual([await standsOn(tag)]);
  }

  test("and a deletion that race have one winner", async () => {
    const tag = `raced-${crypto.randomUUID()}`;
    const first = await hello.pushImage(tag);
    const next = await hello.pushImage(null);
    const headers = { "if-match": `"${first.digest}"` };
    const [pushed, deleted] = await Promise.all([
      put(tag, next.manifest, headers),
      hello.request(`manifests/${tag}`, { method: "DELETE", headers }),
    ]);
    expect([
      [201, 412],
      [412, 202],
    ]).toContainEqual([pushed.status, deleted.status]);
    expect(await standsOn(tag)).toBe(pushed.status === 201 ? next.digest : null);
  });
});
