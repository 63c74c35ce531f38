import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect } from "vitest";
import { resolvedRevisionsProtected, revisionsKept } from "../../../src/domain/limits.ts";
import { protectedDigests } from "../../../src/domain/pins/pin.ts";
import type { RevisionKind } from "../../../src/domain/pins/revision.ts";
import { Database } from "../../../src/objects/database.ts";
import { serviceMigrations } from "../../../src/objects/service/sql/migrations.ts";
import { protectionsMigration } from "../../../src/objects/service/sql/revisions.sql.ts";
import { ServiceState } from "../../../src/objects/service/state.ts";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { test } from "../support/object-test.ts";
import { digestNumber } from "../support/service.ts";

const environments = [1, 2];

/** So many revisions of one kind, one after the other. */
interface Step {
  environment: number;
  kind: RevisionKind;
  digest: number | null;
  times: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  environment: fc.constantFrom(...environments),
  kind: fc.constantFrom<RevisionKind>("push", "pin", "rollback"),
  digest: fc.option(fc.integer({ min: 1, max: 6 })),
  times: fc.constantFrom(1, 1, 1, 18, resolvedRevisionsProtected, revisionsKept - resolvedRevisionsProtected),
});
const steps = fc.array(step, { minLength: 1, maxLength: 14 });

function insert(state: ServiceState, taken: readonly Step[]): void {
  const last = new Map(environments.map((environment) => [environment, 0]));
  for (const { environment, kind, digest, times } of taken) {
    for (let n = 0; n < times; n++) {
      const revision = (last.get(environment) ?? 0) + 1;
      last.set(environment, revision);
      const row = {
        environment,
        revision,
        image: "latest",
        digest: digest === null ? null : digestNumber(digest),
        kind,
        token_id: "",
        token_name: "",
        note: null,
        at: revision,
      };
      state.sql.insertRevision(row, revisionsKept);
    }
  }
}

/** What the rule says of the revisions that there are, and what is kept of it. */
function compare(state: ServiceState): void {
  for (const environment of environments) {
    const revisions = state.sql.lastRevisions(environment, resolvedRevisionsProtected);
    const { revisionOf } = protectedDigests({ environment: "", digest: null, revisions });
    const kept = [1, 2, 3, 4, 5, 6]
      .map(digestNumber)
      .filter((digest) => state.sql.protecting(digest, 9).some((row) => row.environment === environment));
    expect(kept).toEqual([...revisionOf.keys()].sort());
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
      { numRuns: 40 },
    );
  });
});

test("what the revisions of a former version protect is taken over", async ({ hello }) => {
  const former = serviceMigrations.findIndex(({ name }) => name === protectionsMigration.name);
  await runInDurableObject(serviceStub(env, hello.account, "former"), (_, { storage }) => {
    new Database(storage, serviceMigrations).migrate();
    const state = new ServiceState(storage);
    fc.assert(
      fc.property(steps, (taken) => {
        insert(state, taken);
        for (const sql of [
          "DROP TRIGGER revision_protects",
          "DROP TRIGGER revision_forgotten",
          "DROP TABLE protections",
          "CREATE INDEX environments_image ON environments (image)",
        ]) {
          storage.sql.exec(sql).toArray();
        }
        storage.sql.exec("DELETE FROM migrations WHERE id > ?", former).toArray();
        new Database(storage, serviceMigrations.slice(0, former + 1));
        compare(state);
        storage.sql.exec("DELETE FROM revisions").toArray();
      }),
      { numRuns: 20 },
    );
  });
});
