/// <reference types="vite/types/importMeta.d.ts" />
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
import { serviceMigrations } from "../../src/objects/service/sql/migrations.ts";
import { serviceStub } from "../../src/objects/stubs.ts";
import { literalsOf, type Statement, statementsOf } from "./support/statements.ts";

const folder = "../../src/objects/";
const modules: Record<string, Record<string, unknown>> = import.meta.glob("../../src/objects/**/*.sql.ts", {
  eager: true,
});
/** But for what keeps the list of migrations itself. */
const sources: Record<string, string> = import.meta.glob(
  ["../../src/objects/**/*.ts", "!../../src/objects/database.ts"],
  { eager: true, query: "?raw", import: "default" },
);

const objects: Record<string, readonly Migration[]> = {
  account: accountMigrations,
  service: serviceMigrations,
  backends: backendsMigrations,
  cluster: clusterMigrations,
  directory: directoryMigrations,
  registry: registryMigrations,
  login: loginMigrations,
};

/** Folders of modules that several objects have. */
const shared: Record<string, readonly string[]> = { "idempotency.sql.ts": ["account", "service"] };

const limited = "it gives all that it reads, and is given a limit";
const first = "the first in the order of the index";
const last = "the last by the table's own key";
const atWake = "once after the object has awoken: memory has it from then on";
const few = "there are only so many of them";
const allGo = "all of them go";
const rare = "of an account's own credentials or clusters, when one of them goes or somebody logs in";

/** The steps that go through rows or sort them, by object and function, each with the reason why it may. */
const listed: Record<string, Record<string, Record<string, string>>> = {
  account: {
    makeRoomForSession: { "SCAN sessions": rare },
    makeRoomForLoginLink: { "SCAN login_links": rare },
    deleteAllOfToken: { "SCAN login_links": rare, "SCAN sessions": rare },
    deleteTokensOfCluster: { "SCAN tokens": rare },
    lastingAdmins: { "SCAN tokens": rare },
    clusters: { "SCAN clusters": few },
    servicesBehind: { "SCAN services": "after a cluster was changed, to be told to all services" },
    uncountedServices: { "SCAN services USING COVERING INDEX services_uncounted": limited },
    reviveService: { "SEARCH services": last },
    eventSeq: { "SEARCH events": last },
    lastEventSeq: { "SEARCH events": last },
    trimEvents: { "SEARCH first": "of the rows that it is to delete at once" },
    firstDue: {
      "SCAN login_links USING COVERING INDEX login_links_expiry": first,
      "SCAN sessions USING COVERING INDEX sessions_expiry": first,
      "SCAN idempotency USING COVERING INDEX idempotency_at": first,
    },
  },
  service: {
    environments: { "SCAN environments": atWake },
    keptBackends: { "SCAN backends": atWake },
    pendingDeliveries: { "SCAN deliveries": atWake },
    holdings: { "SCAN holdings": few },
    massTerminations: { "SCAN mass_terminations": few },
    openMassTerminations: { "SCAN mass_terminations": few },
    lastTokenOfDeleted: { "SEARCH mass_terminations": few },
    insertMassTermination: { "SCAN mass_terminations": few },
    extendMassTermination: { "SCAN mass_terminations": few },
    closeMassTermination: { "SCAN mass_terminations": few },
    finishMassTermination: { "SCAN mass_terminations": few },
    drainsUnderWay: { "SCAN drains": few },
    insertDrain: { "SCAN drains": few },
    queuedEvents: { "SCAN event_outbox": limited },
    insertEnvironment: { "SEARCH environments": last },
    putImage: { "SEARCH images": last, "SEARCH pushes": last },
    insertPush: { "SEARCH images": last, "SEARCH pushes": last },
    noteNotice: { "SEARCH notices": last },
    recentTags: { "SCAN pushes": limited, "SCAN latest": "these are the rows that the other step has given" },
    recentPushes: { "SCAN pushes": limited },
    deleteImage: { "SCAN chain": "the pushes of one image, which go" },
    setTagsApart: { "SCAN chain": "the pushes of one image, which go" },
    "trigger: revision_protects": {
      "USE TEMP B-TREE FOR ORDER BY": "of the digests of one environment, 41 at most",
    },
    endChange: { "SEARCH changes": last },
    allOpenChanges: { "SCAN changes USING INDEX changes_digest": few },
    rememberRevisions: { "SCAN environments": "where all go with their service" },
    usageOf: {
      "SCAN seq VIRTUAL TABLE INDEX 1:": "the environments that are asked for",
      "SCAN wanted VIRTUAL TABLE INDEX 1:": "the blocks of time that are asked for",
    },
    removeService: {
      "SCAN artifact_tags USING INDEX artifact_tags_digest": allGo,
      "SCAN environments": allGo,
      "SCAN images": allGo,
      "SCAN revisions": allGo,
      "SCAN tags USING INDEX tags_digest": allGo,
    },
    firstDue: {
      "SCAN idempotency USING COVERING INDEX idempotency_at": first,
      "SCAN releases USING COVERING INDEX releases_at": first,
      "SCAN usage": first,
    },
  },
  backends: { isEmpty: { "SCAN backends": "one row" } },
  cluster: {
    agents: { "SCAN agents": few, "USE TEMP B-TREE FOR ORDER BY": few },
    batches: { "SCAN delivery_attempts": "a batch of attempts is one row, and a log is read as a whole" },
    oldestAt: { "SCAN delivery_attempts": first },
    attemptsOf: { "SCAN delivery_attempts": "a batch of attempts is one row, and a log is read as a whole" },
    newestRegistration: { "SEARCH delivery_attempts": "a batch of attempts is one row" },
    deleteRegistrationsBefore: { "SCAN delivery_attempts": "a batch of attempts is one row" },
  },
  directory: {
    owners: {
      "SCAN codes": "once, of accounts that are older than their register",
      "USE TEMP B-TREE FOR DISTINCT": "the same",
    },
    olderAccountsUntil: { "SCAN older_accounts": "it has one row" },
  },
  registry: {
    hasUploads: { "SCAN uploads USING COVERING INDEX uploads_updated": few },
    uploadsOf: { "SCAN uploads": "of a repository that goes" },
    hasUntaggedManifests: { "SCAN manifests USING COVERING INDEX manifests_untagged": few },
  },
  login: { nextOver: { "SCAN attempts USING COVERING INDEX attempts_expiry": first } },
};

const statements = Object.entries(modules).flatMap(([path, module]) => {
  const [place = ""] = path.slice(folder.length).split("/");
  return statementsOf(module).map((statement) => ({ ...statement, objects: shared[place] ?? [place] }));
});

function ofObject(object: string): Statement[] {
  return statements.filter(({ objects: its }) => its.includes(object));
}

/** How many values a statement takes. */
function valuesOf(sql: string): null[] {
  const places = Array.from(sql.matchAll(/\?(\d*)/g), ([, place]) => Number(place));
  const numbered = Math.max(0, ...places);
  return Array.from({ length: numbered > 0 ? numbered : places.length }, () => null);
}

/** The steps of a plan that go through rows, or sort them: a search without an index is for the least or the greatest; what a subquery or a list of values gives is no table's. */
function costly(storage: DurableObjectStorage, sql: string): string[] {
  return storage.sql
    .exec<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, ...valuesOf(sql))
    .toArray()
    .map(({ detail }) => detail)
    .filter((detail) =>
      /^SCAN (?!CONSTANT ROW|json_each|\()|^SEARCH \w+$|TEMP B-TREE|AUTOMATIC/.test(detail),
    );
}

/** Tables of which a check allows one row. */
function singleRows(storage: DurableObjectStorage): string[] {
  return storage.sql
    .exec<{ name: string }>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%CHECK (id = 1)%'",
    )
    .toArray()
    .map(({ name }) => `SCAN ${name}`);
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
    "of the object `%s` finds its rows by an index, in their order, unless the list has the reason",
    async (object, migrations) => {
      const found = await runInDurableObject(serviceStub(env, "plans", object), (_, { storage }) => {
        new Database(storage, migrations).migrate();
        const single = singleRows(storage);
        return [...ofObject(object), ...triggersOf(storage)].flatMap(({ name, sql }) =>
          costly(storage, sql).flatMap((step) => (single.includes(step) ? [] : [`${name}: ${step}`])),
        );
      });
      const known = Object.entries(listed[object] ?? {}).flatMap(([name, steps]) =>
        Object.keys(steps).map((step) => `${name}: ${step}`),
      );
      expect([...new Set(found)].sort()).toEqual(known.sort());
    },
  );

  test("is one that is looked at, whatever file it is in", () => {
    const missed = Object.entries(sources).flatMap(([path, source]) =>
      literalsOf(source)
        .filter((literal) => !statements.some(({ sql }) => literal.test(sql)))
        .map((literal) => [path.slice(folder.length), literal.source]),
    );
    expect(missed).toEqual([]);
  });
});
