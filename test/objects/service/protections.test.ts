import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect } from "vitest";
import { returnableDigestsKept, revisionsKept } from "../../../src/domain/limits.ts";
import { followedKinds, type RevisionKind } from "../../../src/domain/pins/revision.ts";
import { Database } from "../../../src/objects/database.ts";
import { serviceMigrations } from "../../../src/objects/service/sql/migrations.ts";
import {
  distinctDigestsMigration,
  protectionsMigration,
} from "../../../src/objects/service/sql/protections.sql.ts";
import type { RevisionRow } from "../../../src/objects/service/sql/revisions.sql.ts";
import { ServiceState } from "../../../src/objects/service/state.ts";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { test } from "../support/object-test.ts";
import { digestNumber } from "../support/service.ts";

const environments = [1, 2];

const digests = Array.from({ length: 60 }, (_, i) => digestNumber(i + 1));

/** Revisions of one kind, one after the other, each of the next digest. */
interface Step {
  environment: number;
  kind: RevisionKind;
  /** Of the first of them; null: they resolve to nothing. */
  digest: number | null;
  times: number;
  /** By how much the digest moves on with each. */
  stride: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  environment: fc.constantFrom(...environments),
  kind: fc.constantFrom<RevisionKind>("push", "pin", "rollback"),
  digest: fc.option(fc.integer({ min: 0, max: digests.length - 1 })),
  times: fc.constantFrom(1, 1, 1, 18, returnableDigestsKept, 30, revisionsKept - returnableDigestsKept),
  stride: fc.constantFrom(0, 1, 7),
});
const steps = fc.array(step, { minLength: 1, maxLength: 14 });

function insert(state: ServiceState, taken: readonly Step[]): void {
  const last = new Map(environments.map((environment) => [environment, 0]));
  for (const { environment, kind, digest, times, stride } of taken) {
    for (let n = 0; n < times; n++) {
      const revision = (last.get(environment) ?? 0) + 1;
      last.set(environment, revision);
      const row = {
        environment,
        revision,
        image: "latest",
        digest: digest === null ? null : (digests[(digest + n * stride) % digests.length] ?? null),
        kind,
        token_id: "",
        token_name: "",
        note: null,
        at: revision,
        gates: null,
        source: null,
        unfollowed: null,
      };
      state.sql.insertRevision(row, revisionsKept);
    }
  }
}

/** The last distinct digests of revisions that are given newest first. */
function lastDistinct(revisions: readonly RevisionRow[]): string[] {
  const distinct = new Set(revisions.flatMap(({ digest }) => digest ?? []));
  return [...distinct].slice(0, returnableDigestsKept);
}

/** What the rule says of the revisions that there are, and what is kept of it. */
function compare(state: ServiceState): void {
  for (const environment of environments) {
    const revisions = state.sql.revisionsBefore(environment, Number.MAX_SAFE_INTEGER, revisionsKept);
    const chosen = revisions.filter(({ kind }) => !followedKinds.includes(kind));
    const kept = digests.filter((digest) => state.sql.protectionOf(environment, digest) !== undefined);
    expect(kept).toEqual([...new Set([...lastDistinct(revisions), ...lastDistinct(chosen)])].sort());
    for (const digest of kept) {
      const of = revisions.filter((revision) => revision.digest === digest);
      expect(state.sql.protectionOf(environment, digest)?.revision).toBe(of[0]?.revision);
      expect(state.sql.protecting(digest, 9).some((row) => row.environment === environment)).toBe(true);
    }
  }
}

test("what environments protect is kept as the rule of their revisions has it, and goes with these", async ({
  hello,
}) => {
  await runInDurableObject(hello.service(), (_, { storage }) => {
    const state = new ServiceState(storage);
    fc.assert(
      fc.property(steps, (taken) => {
        storage.sql.exec("DELETE FROM revisions").toArray();
        insert(state, taken);
        compare(state);
        state.sql.deleteEnvironment({ seq: 1, name: "first" });
        compare(state);
        state.sql.removeService(0);
        expect(storage.sql.exec("SELECT * FROM protections").toArray()).toEqual([]);
      }),
      {
        numRuns: 40,
        // What somebody chose is forgotten with its revision, also where what comes then resolves to nothing.
        examples: [
          [
            [
              { environment: 2, kind: "pin", digest: 0, times: 1, stride: 0 },
              {
                environment: 2,
                kind: "push",
                digest: 5,
                times: revisionsKept - returnableDigestsKept,
                stride: 7,
              },
              { environment: 2, kind: "push", digest: null, times: returnableDigestsKept, stride: 0 },
            ],
          ],
        ],
      },
    );
  });
});

test("what the revisions of a former version protect is taken over", async ({ hello }) => {
  await runInDurableObject(serviceStub(env, hello.account, "former"), (_, { storage }) => {
    new Database(storage, serviceMigrations).migrate();
    const state = new ServiceState(storage);
    const run = (sql: string) => storage.sql.exec(sql).toArray();
    fc.assert(
      fc.property(steps, (taken) => {
        insert(state, taken);
        // As it was before, but for what the environments protected then: that is made anew.
        run("DROP TRIGGER revision_protects");
        run("DROP TRIGGER revision_forgotten");
        run("DROP TABLE protections");
        run("CREATE INDEX environments_image ON environments (image)");
        run("CREATE INDEX revisions_chosen ON revisions (environment, revision)");
        run(protectionsMigration.sql);
        run(distinctDigestsMigration.sql);
        compare(state);
        run("DELETE FROM revisions");
      }),
      { numRuns: 20 },
    );
  });
});
