import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { Database, type Migration } from "../../src/objects/database.ts";
import { Service } from "../../src/objects/service/service.ts";
import { clusterStub, directoryStub, loginStub, registryStub, serviceStub } from "../../src/objects/stubs.ts";
import { test as objectTest } from "./support/object-test.ts";
import { value } from "./support/service.ts";

function schemaOf(stub: DurableObjectStub): Promise<string> {
  return runInDurableObject(stub, (_, { storage }) =>
    storage.sql
      .exec<{ sql: string }>(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY name",
      )
      .toArray()
      .map(({ sql }) => sql.replace(/\s*--.*$/gm, "").replace(/\s+/g, " "))
      .join("\n"),
  );
}

/*
 * The schema that each object has after all of its migrations. When one of these fails, tables of objects that
 * exist already would differ from those of new ones, unless the change is a migration: append one to the object's
 * list in its *.sql.ts, never edit one that was released, and bring the snapshot up to date with `vitest run -u`.
 */
describe("the schema", () => {
  objectTest(
    "of every object is the one that its migrations are known to make",
    async ({ pinned: hello }) => {
      const { backendId } = value(await hello.connect());
      value(await hello.report(backendId, 1, "loading"));
      const cluster = clusterStub(env, hello.account, "main");
      const heartbeat = { cluster: "main", agent_id: "a", version: "1", backends: [] };
      value(await cluster.heartbeat(hello.account, "main", 2, heartbeat));
      const directory = directoryStub(env, backendId);
      const registry = registryStub(env, hello.account);
      await registry.beginUpload({ account: hello.account, service: "hello" }, null, "of-a-test");
      const login = loginStub(env, "migrations");
      const person = { account: hello.account, tokenId: "admintoken00", expiresAt: Date.now() + 60_000 };
      value(await login.confirm("migrations", person));
      const schemas = {
        account: await schemaOf(hello.accountObject),
        service: await schemaOf(hello.service()),
        backends: await schemaOf(hello.shard(backendId)),
        cluster: await schemaOf(cluster),
        directory: await schemaOf(directory),
        registry: await schemaOf(registry),
        login: await schemaOf(login),
      };
      for (const [object, schema] of Object.entries(schemas)) expect(schema).toMatchSnapshot(object);
    },
  );
});

const first: Migration = { name: "first", sql: "CREATE TABLE first (id INTEGER PRIMARY KEY)" };
const second: Migration = { name: "second", sql: "CREATE TABLE second (id INTEGER PRIMARY KEY)" };
const broken: Migration = { name: "broken", sql: "CREATE TABLE third (id INTEGER); CREATE TABLE first (id)" };

/** Runs `test` on the storage of an object that nothing else uses. */
function onStorage<T>(name: string, test: (storage: DurableObjectStorage) => T): Promise<T> {
  return runInDurableObject(serviceStub(env, "migrations", name), (_, { storage }) => test(storage));
}

function tables(storage: DurableObjectStorage): unknown[] {
  return storage.sql
    .exec<{ name: string }>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY name",
    )
    .toArray()
    .map(({ name }) => name);
}

describe("a database", () => {
  test("writes nothing before it is set up", async () => {
    const found = await onStorage("untouched", (storage) => [
      new Database(storage, [first]).ready,
      tables(storage),
    ]);
    expect(found).toEqual([false, []]);
  });

  test("that was set up takes the migrations that it has not had, in their order, when its object starts", async () => {
    const found = await onStorage("behind", (storage) => {
      new Database(storage, [first]).migrate();
      const ready = new Database(storage, [first, second]).ready;
      new Database(storage, [first, second]);
      return [ready, tables(storage), storage.sql.exec("SELECT name FROM migrations ORDER BY id").toArray()];
    });
    expect(found).toEqual([true, ["first", "migrations", "second"], [{ name: "first" }, { name: "second" }]]);
  });

  test.each([
    ["renamed", [{ ...first, name: "another" }, second]],
    ["put in another order", [second, first]],
    ["dropped", [first]],
  ])("refuses to start where an applied migration was %s", async (how, known) => {
    const message = await onStorage(how, (storage) => {
      new Database(storage, [first, second]).migrate();
      try {
        new Database(storage, known);
        return "it started";
      } catch (error) {
        return String(error);
      }
    });
    expect(message).toMatch(/migration \d was applied as "(first|second)"/);
  });

  test("is left as it was by a migration that fails half-way", async () => {
    const found = await onStorage("broken", (storage) => {
      new Database(storage, [first]).migrate();
      expect(() => new Database(storage, [first, broken])).toThrow(/first/);
      return [tables(storage), storage.sql.exec("SELECT name FROM migrations").toArray()];
    });
    expect(found).toEqual([["first", "migrations"], [{ name: "first" }]]);
  });
});

describe("an object whose migrations this version does not know", () => {
  objectTest("refuses to start rather than work on tables that it does not understand", async ({ hello }) => {
    await runInDurableObject(hello.service(), (_, state) => {
      state.storage.sql.exec("UPDATE migrations SET name = 'from the future' WHERE id = 1");
      expect(() => new Service(state, env)).toThrow(/from the future/);
    });
  });
});
