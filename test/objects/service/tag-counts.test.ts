import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect } from "vitest";
import { imageTagsListed } from "../../../src/domain/limits.ts";
import { Database } from "../../../src/objects/database.ts";
import type { TagTable } from "../../../src/objects/service/sql/images.sql.ts";
import { serviceMigrations } from "../../../src/objects/service/sql/migrations.ts";
import { ServiceState } from "../../../src/objects/service/state.ts";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { test } from "../support/object-test.ts";
import { digestNumber } from "../support/service.ts";

const tables: readonly TagTable[] = ["tags", "artifact_tags"];
const digests = [1, 2].map(digestNumber);

type Step = (state: ServiceState) => unknown;

function range(from: number, times: number): string[] {
  return Array.from({ length: times }, (_, n) => `v${from + n}`);
}

const several = { from: fc.constantFrom(0, 50, 99), times: fc.constantFrom(1, 2, imageTagsListed, 140) };
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ digest: fc.constantFrom(...digests), table: fc.constantFrom(...tables), ...several }).map(
    ({ digest, table, from, times }): Step =>
      ({ sql }) => {
        const set = table === "tags" ? sql.setTag : sql.setArtifactTag;
        for (const tag of range(from, times)) set(tag, digest, null);
      },
  ),
  fc.record(several).map(
    ({ from, times }): Step =>
      ({ sql }) => {
        for (const tag of range(from, times)) sql.deleteTag(tag);
      },
  ),
  fc.record(several).map(
    ({ from, times }): Step =>
      ({ sql }) => {
        for (const tag of range(from, times)) sql.deleteArtifactTag(tag);
      },
  ),
  fc.constantFrom(...digests).map(
    (digest): Step =>
      ({ sql }) =>
        sql.deleteImage({ digest, push: null }),
  ),
  fc.constantFrom(...digests).map(
    (digest): Step =>
      ({ sql }) =>
        sql.setTagsApart({ digest, push: null }),
  ),
);

function compare({ db, sql }: ServiceState): void {
  for (const table of tables) {
    for (const digest of digests) {
      const counted =
        db.first<{ n: number }>(`SELECT count(*) AS n FROM ${table} WHERE digest = ?`, digest)?.n ?? 0;
      expect(sql.tagCountOf(digest, table)).toBe(counted);
      const kept = db.first("SELECT 1 FROM many_tags WHERE digest = ? AND kind = ?", digest, table);
      expect(kept !== undefined).toBe(counted > imageTagsListed);
    }
  }
}

test("the count of an image's tags is kept where it has more than are listed, whatever writes them", async ({
  hello,
}) => {
  await runInDurableObject(hello.service(), (_, { storage }) => {
    const state = new ServiceState(storage);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        state.sql.removeService(0);
        for (const act of steps) {
          act(state);
          compare(state);
        }
      }),
      { numRuns: 40 },
    );
  });
});

test("the tags of a former version are counted", async ({ hello }) => {
  const former = serviceMigrations.findIndex(({ name }) => name === "how many tags an image has");
  await runInDurableObject(serviceStub(env, hello.account, "former"), (_, { storage }) => {
    new Database(storage, serviceMigrations.slice(0, former)).migrate();
    for (const table of tables) {
      for (const tag of range(0, 250)) {
        storage.sql.exec(
          `INSERT INTO ${table} (tag, digest) VALUES (?, ?)`,
          tag,
          digestNumber(tag < "v3" ? 1 : 2),
        );
      }
    }
    new Database(storage, serviceMigrations);
    compare(new ServiceState(storage));
  });
});
