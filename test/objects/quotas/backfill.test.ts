import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, vi } from "vitest";
import { nothingHeld } from "../../../src/domain/quotas.ts";
import { Service } from "../../../src/objects/service/service.ts";
import { usageMigration } from "../../../src/objects/service/sql/usage.sql.ts";
import { serviceStub } from "../../../src/objects/stubs.ts";
import { failureLines } from "../support/failure-lines.ts";
import { test } from "../support/object-test.ts";
import { addings, leave, pushOci, usedBy } from "../support/quotas.ts";
import { caller, code, type Hello, value } from "../support/service.ts";

/** Takes an object's schema back to before a migration, as it was made by a former version. */
function takeBack(stub: DurableObjectStub, first: string, undo: string[]): Promise<void> {
  return runInDurableObject(stub, async (_, { storage }) => {
    const run = (sql: string, ...values: string[]) =>
      storage.sql.exec<{ name: string }>(sql, ...values).toArray();
    for (const { name } of run("SELECT name FROM sqlite_master WHERE type = 'trigger'")) {
      run(`DROP TRIGGER ${name}`);
    }
    for (const sql of undo) run(sql);
    run(`DELETE FROM migrations WHERE id >= (SELECT id FROM migrations WHERE name = ?)`, first);
    await storage.sync();
  });
}

const services = (hello: Hello) => ["hello", "second"].map((name) => serviceStub(env, hello.account, name));

/** An account with two services, as a version without quotas has left it. */
async function formerAccount(hello: Hello) {
  for (const { add } of addings) await add(hello, 10);
  value(await hello.accountObject.createService({ name: "second" }, caller));
  expect(await pushOci(hello, 40, ["a", "b", "c"], { service: "second" })).toBe("ok");
  const before = await usedBy(hello);
  for (const service of services(hello)) {
    await takeBack(service, "what is held of the account's quotas", [
      "DROP TABLE holdings",
      "DROP TABLE drains",
      "ALTER TABLE service DROP COLUMN last_environment",
      "DROP INDEX releases_at",
      "ALTER TABLE service DROP COLUMN emptied_at",
      "ALTER TABLE service DROP COLUMN location",
      "DROP TABLE usage",
      usageMigration.sql,
      "DROP TABLE protections",
      "CREATE INDEX revisions_chosen ON revisions (environment, revision)",
      "DROP TABLE arms",
      "DROP TABLE checks",
      "DROP TABLE rejections",
      "DROP TABLE candidates",
      "DROP TABLE changes",
      ...["stay", "since", "stopped", "followed"].map(
        (column) => `ALTER TABLE environments DROP COLUMN ${column}`,
      ),
      ...["gates", "source", "unfollowed"].map((column) => `ALTER TABLE revisions DROP COLUMN ${column}`),
      "DROP TABLE many_tags",
      "DROP INDEX tags_digest",
      "ALTER TABLE tags ADD COLUMN push INTEGER NOT NULL DEFAULT 0",
      "ALTER TABLE images DROP COLUMN push",
      "ALTER TABLE pushes DROP COLUMN previous",
      "DROP TABLE notices",
      "ALTER TABLE tags DROP COLUMN order_repository",
      "ALTER TABLE tags DROP COLUMN order_at",
      "ALTER TABLE tags ADD COLUMN claimed_at INTEGER",
      "ALTER TABLE environments DROP COLUMN digest",
      "ALTER TABLE environments DROP COLUMN moved_at",
      "ALTER TABLE environments DROP COLUMN registry_host",
      "ALTER TABLE service DROP COLUMN announced_until",
      "DROP INDEX live_keys",
      "ALTER TABLE backends DROP COLUMN ended",
      "ALTER TABLE backends DROP COLUMN history",
      "CREATE UNIQUE INDEX live_keys ON backends (environment, key) WHERE key IS NOT NULL AND status != 'terminated'",
      "DROP INDEX revisions_chosen",
      "DROP TABLE former_environments",
      "ALTER TABLE service DROP COLUMN revision_floor",
      "DROP TABLE artifact_tags",
      "ALTER TABLE images DROP COLUMN artifact_type",
    ]);
  }
  await takeBack(hello.accountObject, "quotas", [
    "DROP TABLE quotas",
    "DROP TABLE holdings",
    "DROP INDEX services_uncounted",
    "ALTER TABLE services DROP COLUMN counted",
    "ALTER TABLE services DROP COLUMN location",
    "ALTER TABLE tokens DROP COLUMN rights",
    "ALTER TABLE tokens DROP COLUMN makers",
    "ALTER TABLE tokens DROP COLUMN maker_name",
    "DROP INDEX tokens_expiry",
    "DROP INDEX sessions_expiry",
    "DROP INDEX login_links_expiry",
    "DROP INDEX services_deleted",
    "ALTER TABLE services DROP COLUMN look_at",
    "ALTER TABLE account DROP COLUMN fencing_floor",
  ]);
  await abortAllDurableObjects();
  return before;
}

test("what an account has from before its quotas is counted", async ({ pinned }) => {
  const before = await formerAccount(pinned);
  expect(before).toMatchObject({ images: 3, tags: 5, pin_notes: 1, clusters: 2, tokens: 2 });
  expect(await usedBy(pinned)).toEqual(before);
});

test.for(addings)(
  "$how is refused, where it is one too many with what is from before ($quota)",
  async ({ quota, add }, { pinned }) => {
    const before = await formerAccount(pinned);
    value(await pinned.accountObject.setQuotas({ [quota]: before[quota] }));
    await abortAllDurableObjects();
    expect(["quota_exceeded", "DENIED"]).toContain(await add(pinned, 11));
    await leave(pinned, quota, 1);
    expect(await add(pinned, 11)).toBe("ok");
  },
);

test("a service whose environment is one too many with those from before is refused, though nothing was counted yet", async ({
  pinned,
}) => {
  const before = await formerAccount(pinned);
  await runInDurableObject(pinned.accountObject, async (_, { storage }) => {
    storage.sql.exec("UPDATE quotas SET max = ? WHERE name = 'environments'", before.environments);
    await storage.sync();
  });
  const created = await pinned.accountObject.createService({ name: "third" }, caller);
  expect(code(created)).toBe("quota_exceeded");
});

test("a service that cannot be asked what it has holds up no other, and is asked again", async ({
  pinned,
}) => {
  const before = await formerAccount(pinned);
  const lines = failureLines();
  const asked = vi.spyOn(Service.prototype, "holdings").mockImplementation(async () => {
    throw new Error("not now");
  });
  const { add } = addings.find(({ how }) => how === "an environment") ?? {};
  expect(await add?.(pinned, 12)).toBe("ok");
  expect(lines().length).toBeGreaterThan(0);
  asked.mockRestore();
  expect(await usedBy(pinned)).toEqual({ ...before, environments: before.environments + 1 });
});

test("what a service says while it is asked what it has is not taken back by that answer", async ({
  pinned,
}) => {
  const before = await formerAccount(pinned);
  const asked = Promise.withResolvers<void>();
  const answers = Promise.withResolvers<void>();
  const { holdings } = Service.prototype;
  const spy = vi.spyOn(Service.prototype, "holdings").mockImplementation(async function (this: Service) {
    const held = await Reflect.apply(holdings, this, []);
    asked.resolve();
    await answers.promise;
    return held;
  });
  const counting = pinned.accountObject.describe();
  await asked.promise;
  // It had one before.
  const now = { ...nothingHeld, environments: 7 };
  value(await pinned.accountObject.claimHoldings("second", now, true));
  answers.resolve();
  value(await counting);
  spy.mockRestore();
  expect((await usedBy(pinned)).environments).toBe(before.environments + 6);
});
