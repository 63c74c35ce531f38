import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect } from "vitest";
import { Database } from "../../../src/objects/database.ts";
import { registryMigrations } from "../../../src/objects/registry/registry.sql.ts";
import { registryStub, serviceStub } from "../../../src/objects/stubs.ts";
import { passTimeAndSettle } from "../../support/worker/clock.ts";
import { test } from "../support/object-test.ts";
import { pushOci } from "../support/quotas.ts";
import { caller, digestNumber, type Hello, setUp, value } from "../support/service.ts";

const hour = 3_600_000;
const repositories = ["hello", "other"];

const repository = fc.constantFrom(...repositories);
const blob = fc.nat({ max: 3 });
/** Of a manifest: those from 5 on are indexes of others, those from 7 on are about others. */
const manifest = fc.nat({ max: 8 });
const tags = fc.subarray(["a", "b"]);
const step = fc.oneof(
  fc.record({ do: fc.constant("upload" as const), repository, blob }),
  fc.record({ do: fc.constant("mount" as const), repository, blob }),
  fc.record({ do: fc.constant("begin" as const), repository, bytes: fc.integer({ min: 1, max: 50 }) }),
  { weight: 8, arbitrary: fc.record({ do: fc.constant("push" as const), repository, manifest, tags }) },
  fc.record({ do: fc.constant("untag" as const), repository, tag: fc.constantFrom("a", "b") }),
  fc.record({ do: fc.constant("delete" as const), repository, manifest }),
  fc.record({ do: fc.constant("delete blob" as const), repository, blob }),
  fc.record({ do: fc.constant("collect" as const), ms: fc.constantFrom(0, 2 * hour, 8 * 24 * hour) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const blobDigest = (n: number) => digestNumber(1000 + n);
const manifestDigest = (n: number) => digestNumber(2000 + n);

/** What each manifest refers to: blobs that several share, foreign ones, other manifests, a subject. */
function factsOf(n: number) {
  if (n >= 7) return { blobs: [blobDigest(0)], subject: manifestDigest(n - 7) };
  if (n >= 5) return { children: [manifestDigest(n - 5), manifestDigest(n - 4)] };
  return { blobs: [blobDigest(n % 3), blobDigest((n + 1) % 3)], foreignBlobs: [blobDigest(3)] };
}

async function run(hello: Hello, wanted: Step): Promise<unknown> {
  const registry = registryStub(env, hello.account);
  const of = (service: string) => ({ account: hello.account, service });
  switch (wanted.do) {
    case "upload": {
      const digest = blobDigest(wanted.blob);
      const size = 10 + wanted.blob;
      const begun = await registry.beginUpload(of(wanted.repository), { digest, bytes: size }, "of-a-test");
      if (!begun.ok) throw new Error(begun.error.message);
      const key = begun.value.chunkKey ?? "";
      const upload = { ...begun.value, state: { ...begun.value.state, offset: size } };
      return registry.finishUpload(of(wanted.repository), upload, { digest, key, size });
    }
    case "mount": {
      const from = of(repositories.find((name) => name !== wanted.repository) ?? "");
      return registry.mountBlob(of(wanted.repository), from, blobDigest(wanted.blob));
    }
    case "begin": {
      const begun = await registry.beginUpload(of(wanted.repository), null, "of-a-test");
      if (!begun.ok) throw new Error(begun.error.message);
      const next = { ...begun.value.state, offset: wanted.bytes };
      return registry.advanceUpload(of(wanted.repository), begun.value, next);
    }
    case "push":
      return pushOci(hello, 2000 + wanted.manifest, wanted.tags, {
        service: wanted.repository,
        ...factsOf(wanted.manifest),
      });
    case "untag":
      return registry.deleteTag(of(wanted.repository), wanted.tag);
    case "delete":
      return registry.deleteManifest(of(wanted.repository), manifestDigest(wanted.manifest));
    case "delete blob":
      return registry.deleteBlob(of(wanted.repository), blobDigest(wanted.blob));
    case "collect":
      return passTimeAndSettle(registry, wanted.ms);
  }
}

type Row = Record<string, SqlStorageValue>;

/** The tables of a registry, as they are. */
function rowsOf(hello: Hello): Promise<Record<string, Row[]>> {
  const tables = ["registry", "blobs", "links", "manifests", "refs", "tags", "uploads"];
  return runInDurableObject(registryStub(env, hello.account), (_, { storage }) =>
    Object.fromEntries(
      tables.map((table) => [table, storage.sql.exec<Row>(`SELECT * FROM ${table}`).toArray()]),
    ),
  );
}

/** The bytes that no tag keeps, looked for from the tags on. */
function untaggedIn({
  blobs = [],
  links = [],
  manifests = [],
  refs = [],
  tags = [],
  uploads = [],
}: Record<string, Row[]>) {
  const place = (repository: unknown, digest: unknown) => `${repository} ${digest}`;
  const kept = new Set(tags.map((tag) => place(tag.repository, tag.digest)));
  const isThere = new Set(manifests.map((one) => place(one.repository, one.digest)));
  for (let before = -1; before !== kept.size; ) {
    before = kept.size;
    for (const ref of refs) {
      const target = place(ref.repository, ref.digest);
      if (kept.has(place(ref.repository, ref.manifest)) && isThere.has(target)) kept.add(target);
    }
    for (const { repository, digest, subject } of manifests) {
      if (kept.has(place(repository, subject))) kept.add(place(repository, digest));
    }
  }
  const linked = new Set(links.map((link) => place(link.repository, link.digest)));
  const keptBlobs = new Set(
    refs.flatMap((ref) =>
      kept.has(place(ref.repository, ref.manifest)) && linked.has(place(ref.repository, ref.digest))
        ? [ref.digest]
        : [],
    ),
  );
  const sizes = [
    ...manifests.flatMap((one) => (kept.has(place(one.repository, one.digest)) ? [] : [Number(one.size)])),
    ...blobs.flatMap((one) => (keptBlobs.has(one.digest ?? null) ? [] : [Number(one.size)])),
    ...uploads.map(({ state }) => Number(JSON.parse(String(state)).offset)),
  ];
  return sizes.reduce((total, size) => total + size, 0);
}

let copies = 0;

/** What the migration makes of the same rows, where they were there before the count was. */
function migrated(rows: Record<string, Row[]>): Promise<Record<string, Row[]>> {
  copies += 1;
  return runInDurableObject(serviceStub(env, "copies", `copy-${copies}`), (_, { storage }) => {
    const former = registryMigrations.slice(0, 1);
    new Database(storage, former).migrate();
    const added = new Set([
      "untagged_bytes",
      "untagged_max",
      "keepers",
      "token_id",
      "token_name",
      "renewed_from",
      "artifact",
      "begun_by",
      "begun_at",
    ]);
    for (const [table, copied] of Object.entries(rows)) {
      for (const row of copied) {
        const columns = Object.keys(row).filter((column) => !added.has(column));
        const places = columns.map(() => "?").join(", ");
        storage.sql
          .exec(
            `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${places})`,
            ...columns.map((column) => row[column] ?? null),
          )
          .toArray();
      }
    }
    new Database(storage, registryMigrations);
    return Object.fromEntries(
      Object.keys(rows).map((table) => [table, storage.sql.exec<Row>(`SELECT * FROM ${table}`).toArray()]),
    );
  });
}

test("the bytes that no tag keeps are counted right after every step, and by the migration", async () => {
  const steps = fc.array(step, { minLength: 10, maxLength: 40, size: "max" });
  const uploads = repositories.flatMap((repository) =>
    [0, 1, 2, 3].map((blob): Step => ({ do: "upload", repository, blob })),
  );
  // With most of the blobs there, so that most pushes are accepted.
  const there = fc.subarray(uploads, { minLength: uploads.length - 2 });
  await fc.assert(
    fc.asyncProperty(there, steps, fc.boolean(), async (uploaded, planned, isDeleted) => {
      const hello = await setUp();
      value(await hello.accountObject.createService({ name: "other" }, caller));
      const registry = registryStub(env, hello.account);
      await registry.setUntaggedLimit(hello.account, null);
      for (const wanted of [...uploaded, ...planned]) {
        await run(hello, wanted);
        expect((await registry.untaggedBytes()).used).toBe(untaggedIn(await rowsOf(hello)));
      }
      if (isDeleted) value(await hello.accountObject.deleteService("other", caller));
      const rows = await rowsOf(hello);
      expect((await registry.untaggedBytes()).used).toBe(untaggedIn(rows));
      // Who pushed a tag or began an upload, and what renews a link, are not what this is about, and were not kept before.
      const tags = rows.tags?.map((row) => ({ ...row, token_id: null, token_name: null })) ?? [];
      const links = rows.links?.map((row) => ({ ...row, renewed_from: null })) ?? [];
      const uploads = rows.uploads?.map((row) => ({ ...row, begun_by: null, begun_at: null })) ?? [];
      const former = { ...rows, tags, links, uploads };
      expect(await migrated(former)).toEqual(former);
    }),
    { numRuns: 40 },
  );
}, 120_000);
