import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import type * as limits from "../../src/domain/limits.ts";
import { workerOptions } from "../../src/local/worker/options.ts";
import { accountMigrations } from "../../src/objects/account/account.sql.ts";
import { backendsMigrations } from "../../src/objects/backends/backends.sql.ts";
import { clusterMigrations } from "../../src/objects/cluster/cluster.sql.ts";
import { Database } from "../../src/objects/database.ts";
import { directoryMigrations } from "../../src/objects/directory/directory.sql.ts";
import { loginMigrations } from "../../src/objects/login/login.sql.ts";
import { registryMigrations } from "../../src/objects/registry/registry.sql.ts";
import { serviceMigrations } from "../../src/objects/service/sql/migrations.ts";
import { serviceStub } from "../../src/objects/stubs.ts";

/** What keeps a table from growing for ever. */
type Bound =
  /** It has so many rows, whatever happens. */
  | { rows: number }
  /** No more than a limit of the domain are kept, or none for longer: at each write, or by the object's alarm. */
  | { kept: keyof typeof limits; by: "write" | "alarm" }
  /** A quota of the account counts them. */
  | { quota: string }
  /** Each of them goes with something that is bounded, or that ends. */
  | { with: string };

const one: Bound = { rows: 1 };
const changedByVersions: Bound = { with: "versions of Slipway" };

/*
 * Every table of every object. A new one makes this fail until it stands here, with what bounds it: what nothing bounds
 * fills a disk, or the 10 GB of an object, in the end.
 */
const tables: Record<
  string,
  {
    of: typeof accountMigrations;
    /** What keeps the objects of this class that store something from being ever more. */
    objects: string;
    bounds: Record<string, Bound>;
  }
> = {
  account: {
    of: accountMigrations,
    objects: "only the root token creates accounts",
    bounds: {
      migrations: changedByVersions,
      account: one,
      tokens: { quota: "tokens; those that have expired go by the alarm (expiredTokensKeptMs)" },
      sessions: { kept: "sessionsPerTokenMax", by: "write" },
      login_links: { kept: "loginLinksPerTokenMax", by: "write" },
      clusters: { quota: "clusters" },
      quotas: { with: "the quotas that there are, of which each has one" },
      holdings: { with: "services, each of which has one for each quota" },
      services: {
        quota: "services; those that were deleted go by the alarm, and are deletedServicesMax at most",
      },
      events: { kept: "eventsKeptMax", by: "alarm" },
      idempotency: { kept: "idempotencyKeptMs", by: "alarm" },
    },
  },
  service: {
    of: serviceMigrations,
    objects: "services; one that was deleted gives its storage back when it is forgotten",
    bounds: {
      migrations: changedByVersions,
      service: one,
      environments: { quota: "environments" },
      holdings: { with: "the quotas that there are, of which each has one" },
      revisions: { kept: "revisionsKept", by: "write" },
      protections: { with: "revisions" },
      arms: { kept: "revisionsKept", by: "write" },
      checks: { kept: "checksPerImage", by: "write" },
      rejections: { kept: "rejectionsKept", by: "write" },
      candidates: { kept: "candidatesKept", by: "write" },
      changes: { kept: "endedChangesKept", by: "write" },
      former_environments: { kept: "formerEnvironmentsKept", by: "write" },
      images: { quota: "images" },
      tags: { quota: "tags" },
      artifact_tags: { quota: "tags" },
      many_tags: { with: "tags and artifact_tags" },
      pushes: { kept: "pushesKept", by: "write" },
      notices: { kept: "noticesKept", by: "write" },
      backends: { with: "live backends: the row of one that has ended goes once its shard has it" },
      deliveries: { kept: "terminationRetryForMs", by: "alarm" },
      releases: { kept: "endedBackendsKeptMs", by: "alarm" },
      usage: { kept: "usageKeptMs", by: "alarm" },
      event_outbox: { with: "the account's log, which takes them over" },
      mass_terminations: { kept: "massTerminationsKept", by: "write" },
      drains: { kept: "drainsKept", by: "write" },
      idempotency: { kept: "idempotencyKeptMs", by: "alarm" },
    },
  },
  backends: {
    of: backendsMigrations,
    objects: "services, each of which has 32; one without backends gives its storage back",
    bounds: {
      migrations: changedByVersions,
      backends: { kept: "endedBackendsKeptMs", by: "alarm" },
    },
  },
  cluster: {
    of: clusterMigrations,
    objects:
      "clusters; one that is deleted gives its storage back (test/objects/cluster/registrations.test.ts)",
    bounds: {
      migrations: changedByVersions,
      cluster: one,
      agents: { kept: "clusterLostAfterMs", by: "alarm" },
      delivery_attempts: { kept: "deliveryAttemptsKept", by: "write" },
    },
  },
  directory: {
    of: directoryMigrations,
    objects: "the characters of codes, and two more",
    bounds: {
      migrations: changedByVersions,
      codes: { with: "services, also those that were deleted and are not forgotten, each of which has one" },
      accounts: { with: "accounts, which only the root token creates" },
      older_accounts: one,
      storage_check: one,
    },
  },
  registry: {
    of: registryMigrations,
    objects: "accounts",
    bounds: {
      migrations: changedByVersions,
      registry: one,
      blobs: { quota: "images, untagged_bytes" },
      links: { with: "manifests; one that none refers to goes by the alarm (unreferencedBlobKeptMs)" },
      manifests: {
        quota: "images, tags; of those without a tag there are so many at most (untaggedManifestsMax)",
      },
      manifest_bytes: { with: "manifests" },
      refs: { with: "manifests" },
      tags: { quota: "tags" },
      uploads: { kept: "openUploadsMax", by: "write" },
      last_uploads: { with: "repositories" },
      garbage: { kept: "collectedBytesKeptMs", by: "alarm" },
    },
  },
  login: {
    of: loginMigrations,
    objects: "the digits of ids",
    bounds: { migrations: changedByVersions, attempts: { kept: "cliLoginsPerTokenMax", by: "write" } },
  },
};

function tablesOf(migrations: typeof accountMigrations, name: string): Promise<string[]> {
  return runInDurableObject(serviceStub(env, "bounded", name), (_, { storage }) => {
    new Database(storage, migrations).migrate();
    return storage.sql
      .exec<{ name: string }>(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
      )
      .toArray()
      .map((table) => table.name);
  });
}

describe("every table has a bound", () => {
  test.each(Object.entries(tables))("of the object `%s`", async (name, { of, bounds }) => {
    expect((await tablesOf(of, name)).sort()).toEqual(Object.keys(bounds).sort());
  });

  test("of every object", () => {
    const objects = Object.keys(workerOptions.durableObjects).map((name) => name.toLowerCase());
    expect(Object.keys(tables).sort()).toEqual(objects.sort());
  });
});
