import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { serviceNamesPerCall } from "../../../src/domain/limits.ts";
import { accountStub } from "../../../src/objects/stubs.ts";
import { createAccount, createService, send, type TestAccount } from "../../support/worker/api.ts";
import {
  basic,
  type RegistryClient,
  refusalOf,
  registryClient,
  sendOci,
  types,
} from "../../support/worker/registry.ts";

let account: TestAccount;
let hello: RegistryClient;
const sorted = ["10", "2", "A", "_z", "a", "b.1", "b1", "latest", "v1"];

beforeAll(async () => {
  account = await createAccount();
  await createService(account);
  hello = registryClient(account, account.admin);
  const { manifest } = await hello.pushImage(null);
  for (const tag of [...sorted].reverse()) await hello.putManifest(tag, manifest);
});

const list = z.object({ name: z.string(), tags: z.array(z.string()) });

async function tagsAt(path: string) {
  const answer = await sendOci(path, { authorization: hello.authorization });
  expect(answer.status).toBe(200);
  const { name, tags } = list.parse(await answer.json());
  expect(name).toBe(hello.name);
  return { tags, link: answer.headers.get("link") };
}

describe("the list of tags", () => {
  const path = () => `/v2/${hello.name}/tags/list`;

  test("has all of them in the order of their bytes", async () => {
    expect(await tagsAt(path())).toEqual({ tags: sorted, link: null });
  });

  test("begins after `last`, whether or not that is a tag", async () => {
    expect((await tagsAt(`${path()}?last=b1`)).tags).toEqual(["latest", "v1"]);
    expect((await tagsAt(`${path()}?last=b`)).tags).toEqual(["b.1", "b1", "latest", "v1"]);
    expect((await tagsAt(`${path()}?last=zzz`)).tags).toEqual([]);
  });

  test("with n=0 is empty and has no next page", async () => {
    expect(await tagsAt(`${path()}?n=0`)).toEqual({ tags: [], link: null });
  });

  test("comes in pages, each with a link to the next one", async () => {
    const seen: string[][] = [];
    for (let next: string | null = `${path()}?n=4`; next !== null; ) {
      const { tags, link } = await tagsAt(next);
      seen.push(tags);
      next = link === null ? null : (/^<([^>]+)>; rel="next"$/.exec(link)?.[1] ?? "");
    }
    expect(seen).toEqual([sorted.slice(0, 4), sorted.slice(4, 8), sorted.slice(8)]);
  });

  test("has no next page when the last one is full", async () => {
    expect((await tagsAt(`${path()}?n=${sorted.length}`)).link).toBeNull();
  });

  test.each(["-1", "x", "1.5"])("with n=%s is 400", async (n) => {
    expect(await refusalOf(await hello.request(`tags/list?n=${n}`))).toEqual([400, "UNSUPPORTED"]);
  });

  test("of a service that nothing was pushed to is empty", async () => {
    await createService(account, "empty");
    const answer = await registryClient(account, account.admin, "empty").request("tags/list");
    expect(await answer.json()).toEqual({ name: `${account.name}/empty`, tags: [] });
  });
});

describe("the list of repositories", () => {
  let many: TestAccount;
  const repositories = () => ["a", "a-1", "a0", "b", "hello", "z9"].map((name) => `${many.name}/${name}`);

  beforeAll(async () => {
    many = await createAccount();
    for (const name of ["z9", "hello", "b", "a0", "a-1", "a", "gone"]) await createService(many, name);
    await send(`/v3/accounts/${many.name}/services/gone`, { method: "DELETE", token: many.admin });
  });

  async function page(query: string) {
    const answer = await sendOci(`/v2/_catalog${query}`, { authorization: basic(many.name, many.admin) });
    expect(answer.status).toBe(200);
    const listed = z.strictObject({ repositories: z.array(z.string()) }).parse(await answer.json());
    const [, next = null] = /^<(.+)>; rel="next"$/.exec(answer.headers.get("link") ?? "") ?? [];
    return { repositories: listed.repositories, next };
  }

  test("has all that are there in the order of their names, with images or without", async () => {
    expect(await page("")).toEqual({ repositories: repositories(), next: null });
  });

  test.each([1, 2, 3, 4, 5, 6, 7])("comes in pages of %i, each with a link to the next one", async (n) => {
    const pages: string[][] = [];
    for (let next: string | null = `?n=${n}`; next !== null; ) {
      const read = await page(next.replace("/v2/_catalog", ""));
      pages.push(read.repositories);
      next = read.next;
    }
    expect(pages.length).toBe(Math.ceil(6 / n));
    expect(pages.flat()).toEqual(repositories());
  });

  test("begins after `last`, whether or not that is a repository", async () => {
    const from = (name: string) => repositories().filter((repository) => repository > name);
    for (const name of ["a", "a1", "hello", "zz"].map((service) => `${many.name}/${service}`)) {
      expect((await page(`?last=${name}`)).repositories).toEqual(from(name));
    }
    for (const name of ["", "0", many.name, "zzzzzzzzzz", `${many.name}0`]) {
      expect((await page(`?last=${name}`)).repositories).toEqual(from(name));
    }
  });

  test("with n=0 is empty, and with an n that is none 400", async () => {
    expect(await page("?n=0")).toEqual({ repositories: [], next: null });
    const request = { authorization: basic(many.name, many.admin) };
    const refused = await sendOci("/v2/_catalog?n=x", request);
    expect(await refusalOf(refused)).toEqual([400, "UNSUPPORTED"]);
  });

  test("comes in pages of as many names as one call gives, whatever n is", async () => {
    const full = await createAccount();
    const fill = (count: number) =>
      runInDurableObject(accountStub(env, full.name), (_, { storage }) => {
        storage.sql.exec(
          `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
           INSERT OR IGNORE INTO services (name, code, state, created_at)
           SELECT printf('s%05d', i), printf('c%05d', i), 'live', 0 FROM n`,
          count,
        );
      });
    const lengths = async () => {
      const found: number[] = [];
      for (let next = "/v2/_catalog?n=99999999999999999999"; next !== ""; ) {
        const answer = await sendOci(next, { authorization: basic(full.name, full.admin) });
        found.push(
          z.object({ repositories: z.array(z.string()) }).parse(await answer.json()).repositories.length,
        );
        next = /^<(.+)>/.exec(answer.headers.get("link") ?? "")?.[1] ?? "";
      }
      return found;
    };
    await fill(serviceNamesPerCall);
    expect(await lengths()).toEqual([serviceNamesPerCall]);
    await fill(serviceNamesPerCall + 1);
    expect(await lengths()).toEqual([serviceNamesPerCall, 1]);
  });
});

describe("the referrers of a manifest", () => {
  const index = z.object({
    schemaVersion: z.literal(2),
    mediaType: z.literal(types.index),
    manifests: z.array(
      z.strictObject({
        mediaType: z.string(),
        digest: z.string(),
        size: z.int(),
        artifactType: z.string().optional(),
        annotations: z.record(z.string(), z.string()).optional(),
      }),
    ),
  });

  async function referrers(digest: string, query = "") {
    const answer = await hello.request(`referrers/${digest}${query}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe(types.index);
    return { manifests: index.parse(await answer.json()).manifests, headers: answer.headers };
  }

  test("are none where nothing is about it, also when it is not there itself", async () => {
    const { digest } = await hello.pushImage(null);
    expect((await referrers(digest)).manifests).toEqual([]);
    expect((await referrers(`sha256:${"9".repeat(64)}`)).manifests).toEqual([]);
  });

  test("are listed with their types and annotations, and can be filtered", async () => {
    const subject = await hello.pushImage(null);
    const about = { mediaType: types.image, digest: subject.digest, size: subject.size };
    const signature = await hello.pushImage(null, {
      subject: about,
      artifactType: "application/vnd.example.signature",
      annotations: { by: "somebody" },
    });
    const plain = await hello.pushImage(null, { subject: about });
    const bundle = await hello.putManifest(
      null,
      {
        schemaVersion: 2,
        mediaType: types.index,
        manifests: [],
        subject: about,
        artifactType: "application/x-sbom",
      },
      types.index,
    );
    expect(bundle.answer.headers.get("oci-subject")).toBe(subject.digest);

    const expected = [
      {
        mediaType: types.image,
        digest: signature.digest,
        size: signature.size,
        artifactType: "application/vnd.example.signature",
        annotations: { by: "somebody" },
      },
      {
        mediaType: types.image,
        digest: plain.digest,
        size: plain.size,
        artifactType: "application/vnd.oci.image.config.v1+json",
      },
      {
        mediaType: types.index,
        digest: bundle.digest,
        size: bundle.size,
        artifactType: "application/x-sbom",
      },
    ].sort((a, b) => (a.digest < b.digest ? -1 : 1));
    const all = await referrers(subject.digest);
    expect(all.manifests).toEqual(expected);
    expect(all.headers.get("oci-filters-applied")).toBeNull();

    const filtered = await referrers(subject.digest, "?artifactType=application%2Fx-sbom");
    expect(filtered.manifests.map(({ digest }) => digest)).toEqual([bundle.digest]);
    expect(filtered.headers.get("oci-filters-applied")).toBe("artifactType");

    await hello.request(`manifests/${plain.digest}`, { method: "DELETE" });
    expect((await referrers(subject.digest)).manifests).toHaveLength(2);
  });

  /** Pushes so many about one image. @returns the image's digest and theirs, in order */
  async function pushAbout(count: number, more: (i: number) => object) {
    const subject = await hello.pushImage(null);
    const about = { mediaType: types.image, digest: subject.digest, size: subject.size };
    const digests: string[] = [];
    for (let i = 0; i < count; i++) {
      const made = { schemaVersion: 2, manifests: [], subject: about, ...more(i) };
      digests.push((await hello.putManifest(null, made, types.index)).digest);
    }
    return { subject: subject.digest, digests, sorted: digests.toSorted() };
  }

  /** Reads to the end. @returns the digests on each page, none of which is longer than clients read */
  async function pages(path: string): Promise<string[][]> {
    const seen: string[][] = [];
    for (let next: string | null = path; next !== null; ) {
      const answer: Response = await sendOci(next, { authorization: hello.authorization });
      const text = await answer.text();
      expect(new TextEncoder().encode(text).byteLength).toBeLessThanOrEqual(4 * 1024 * 1024);
      seen.push(index.parse(JSON.parse(text)).manifests.map(({ digest }) => digest));
      const link = answer.headers.get("link");
      next = link === null ? null : (/^<([^>]+)>; rel="next"$/.exec(link)?.[1] ?? "");
    }
    return seen;
  }

  /** cosign and others read one page: a signature behind 150 reports is on it. */
  test("are on one page where they are small, however many, and a filter finds any one of them", async () => {
    const { subject, digests, sorted } = await pushAbout(150, (i) => ({
      artifactType: i % 50 === 0 ? "application/x-signature" : "application/x-report",
      annotations: { i: String(i) },
    }));
    const path = `/v2/${hello.name}/referrers/${subject}`;
    expect(await pages(path)).toEqual([sorted]);
    const signatures = digests.filter((_, i) => i % 50 === 0).toSorted();
    expect(await pages(`${path}?artifactType=application%2Fx-signature`)).toEqual([signatures]);
  });

  test("come in pages of what clients read at once, with and without a filter", async () => {
    const { subject, digests, sorted } = await pushAbout(10, (i) => ({
      artifactType: i % 2 === 0 ? "application/x-even" : "application/x-odd",
      annotations: { text: `${i}${"ü".repeat(500_000)}` },
    }));
    const path = `/v2/${hello.name}/referrers/${subject}`;
    const all = await pages(path);
    expect(all.map(({ length }) => length)).toEqual([4, 4, 2]);
    expect(all.flat()).toEqual(sorted);
    const even = await pages(`${path}?artifactType=application%2Fx-even`);
    expect(even.map(({ length }) => length)).toEqual([4, 1]);
    expect(even.flat()).toEqual(digests.filter((_, i) => i % 2 === 0).toSorted());
  });

  test("of what is no digest is 400", async () => {
    expect(await refusalOf(await hello.request("referrers/latest"))).toEqual([400, "DIGEST_INVALID"]);
  });
});
