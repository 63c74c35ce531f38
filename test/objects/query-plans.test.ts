import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { accountMigrations } from "../../src/objects/account/account.sql.ts";
import { backendsMigrations } from "../../src/objects/backends/backends.sql.ts";
import { clusterMigrations } from "../../src/objects/cluster/cluster.sql.ts";
import { Database, type Migration } from "../../src/objects/database.ts";
import { directoryMigrations } from "../../src/objects/directory/directory.sql.ts";
import { loginMigrations } from "../../src/objects/login/login.sql.ts";
import { registryMigrations } from "../../src/objects/registry/registry.sql.ts";
import { serviceMigrations } from "../../src/objects/service/sql/service.sql.ts";
import { serviceStub } from "../../src/objects/stubs.ts";
import { literalsOf, type Statement, statementsOf } from "./support/statements.ts";

const folder = "../../src/objects/";
const modules = import.meta.glob<Record<string, unknown>>("../../src/objects/**/*.sql.ts", { eager: true });
const sources = import.meta.glob<string>("../../src/objects/**/*.ts", {
  eager: true,
  query: "?raw",
  import: "default",
});

const objects: Record<string, readonly Migration[]> = {
  account: accountMigrations,
  service: serviceMigrations,
  backends: backendsMigrations,
  cluster: clusterMigrations,
  directory: directoryMigrations,
  registry: registryMigrations,
  login: loginMigrations,
};

/** What every object may have beside its own: its statements are looked at in the tables of each that has them. */
const shared: Record<string, readonly string[]> = { idempotency: ["account", "service"] };

const allowed: Record<string, Record<string, string>> = {};

function fileOf(path: string): string {
  return path.slice(folder.length).replace(/(\.sql)?\.ts$/, "");
}

const statements = Object.entries(modules).flatMap(([path, module]) => statementsOf(fileOf(path), module));

function ofObject(object: string): Statement[] {
  return statements.filter(({ name }) => {
    const [place = ""] = name.split(/[/:]/);
    return (shared[place] ?? [place]).includes(object);
  });
}

/** How many values a statement takes. */
function valuesOf(sql: string): null[] {
  const places = Array.from(sql.matchAll(/\?(\d*)/g), ([, place]) => Number(place));
  const numbered = Math.max(0, ...places);
  return Array.from({ length: numbered > 0 ? numbered : places.length }, () => null);
}

/** The steps of a plan that go through rows, or sort them. */
function costly(storage: DurableObjectStorage, sql: string): string[] {
  return storage.sql
    .exec<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, ...valuesOf(sql))
    .toArray()
    .map(({ detail }) => detail)
    .filter((detail) => /^SCAN (?!CONSTANT ROW|json_each)|TEMP B-TREE|AUTOMATIC/.test(detail));
}

/** The statements of an object's triggers, with nothing in place of the rows that set them off. */
function triggersOf(storage: DurableObjectStorage): Statement[] {
  return storage.sql
    .exec<{ name: string; sql: string }>("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    .toArray()
    .flatMap(({ name, sql }) => {
      const body = sql.slice(sql.indexOf("BEGIN") + "BEGIN".length, sql.lastIndexOf("END"));
      return body
        .replace(/\b(new|old)\.\w+/g, "NULL")
        .split(";")
        .filter((text) => text.trim() !== "")
        .map((text) => ({ name: `trigger: ${name}`, sql: text }));
    });
}

describe("a statement", () => {
  test.each(Object.entries(objects))(
    "of the object `%s` finds its rows by an index, and in their order, unless it is listed with the reason",
    async (object, migrations) => {
      const found = await runInDurableObject(serviceStub(env, "plans", object), (_, { storage }) => {
        new Database(storage, migrations).migrate();
        const steps = new Map<string, Set<string>>();
        for (const { name, sql } of [...ofObject(object), ...triggersOf(storage)]) {
          for (const step of costly(storage, sql)) steps.set(name, (steps.get(name) ?? new Set()).add(step));
        }
        return Array.from(steps, ([name, set]) => [name, [...set].sort()] as const);
      });
      console.log(JSON.stringify(Object.fromEntries(found), null, 1));
      expect(found).toEqual([]);
    },
  );

  test("is one that is looked at, whatever file it is in", () => {
    const missed = Object.entries(sources).flatMap(([path, source]) =>
      literalsOf(source)
        .filter((literal) => !statements.some(({ sql }) => literal.test(sql)))
        .map((literal) => [fileOf(path), literal.source]),
    );
    expect(missed).toEqual([]);
  });
});
