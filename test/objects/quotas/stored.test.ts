import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { expiredTokensKeptMs, pushesKept, revisionsKept } from "../../../src/domain/limits.ts";
import type { QuotaName } from "../../../src/domain/quotas.ts";
import { registryStub } from "../../../src/objects/stubs.ts";
import { hashSecret } from "../../../src/protocol/tokens/access-token.ts";
import { test } from "../support/object-test.ts";
import { usedBy } from "../support/quotas.ts";
import { caller, digestNumber, type Hello, value } from "../support/service.ts";

/** What keeps a table from growing for ever: a quota of the account, or a bound of its own. */
type Bound = { quota: QuotaName } | { bound: string };

const quota = (name: QuotaName): Bound => ({ quota: name });
const bound = (why: string): Bound => ({ bound: why });
const ofObject = bound("a row for the object itself");
const migrations = bound("a row for each migration");
const idempotency = bound("a day of requests");

const tables: Record<string, Record<string, Bound>> = {
  account: {
    account: ofObject,
    migrations,
    idempotency,
    tokens: quota("tokens"),
    clusters: quota("clusters"),
    // One that was deleted leaves its name and code, under which its last backends are found.
    services: quota("services"),
    sessions: bound("sessionsPerTokenMax for each token"),
    login_links: bound("loginLinksPerTokenMax for each token"),
    events: bound("eventsKeptMax of each kind"),
    quotas: bound("a row for each quota"),
    holdings: bound("a row for each quota and service"),
  },
  service: {
    service: ofObject,
    migrations,
    idempotency,
    environments: quota("environments"),
    images: quota("images"),
    tags: quota("tags"),
    pushes: bound("pushesKept"),
    revisions: bound("revisionsKept for each environment; their notes have a quota beside that"),
    backends: bound("what clusters run, and what has ended until its shard has it"),
    deliveries: bound("until they are delivered or expire"),
    event_outbox: bound("until the account has taken them"),
    mass_terminations: bound("massTerminationsKept"),
    releases: bound("backends that were released by hand, each with a cluster that needs proof"),
    usage: bound("usageKeptMs, a row for each minute and environment"),
    holdings: bound("a row for each quota"),
  },
  registry: {
    registry: ofObject,
    migrations,
    blobs: quota("untagged_bytes"),
    links: quota("untagged_bytes"),
    manifests: quota("untagged_bytes"),
    manifest_bytes: quota("untagged_bytes"),
    refs: quota("untagged_bytes"),
    tags: quota("tags"),
    uploads: quota("untagged_bytes"),
    garbage: bound("until the next collections have deleted the bytes"),
  },
};

function tablesOf(stub: DurableObjectStub): Promise<string[]> {
  return runInDurableObject(stub, (_, { storage }) =>
    storage.sql
      .exec<{ name: string }>(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
      )
      .toArray()
      .map(({ name }) => name)
      .sort(),
  );
}

test("every table of what an account stores has a quota or a bound", async ({ pinned: hello }) => {
  const registry = registryStub(env, hello.account);
  await registry.setUntaggedLimit(hello.account, null);
  const objects = { account: hello.accountObject, service: hello.service(), registry };
  for (const [name, stub] of Object.entries(objects)) {
    expect([name, await tablesOf(stub)]).toEqual([name, Object.keys(tables[name] ?? {}).sort()]);
  }
});

function rows(hello: Hello, sql: string, ...values: (string | number)[]): Promise<unknown[]> {
  return runInDurableObject(hello.service(), (_, { storage }) => storage.sql.exec(sql, ...values).toArray());
}

describe("what has a bound of its own", () => {
  test("are revisions: the newest of an environment are kept, with their notes", async ({ pinned }) => {
    value(await pinned.service().pin("default", { image: "latest", note: "old" }, caller));
    expect((await usedBy(pinned)).pin_notes).toBe(1);
    await rows(pinned, "UPDATE environments SET revision = ?", revisionsKept + 1);
    value(await pinned.service().pin("default", { image: "latest", note: "new" }, caller));
    const { items } = value(await pinned.service().history("default", { limit: 200 }));
    expect(items).toMatchObject([{ revision: revisionsKept + 2, note: "new" }]);
    expect((await usedBy(pinned)).pin_notes).toBe(1);
  });

  test("are revisions of an environment that is deleted, of which one that is made anew has none", async ({
    pinned,
  }) => {
    const service = pinned.service();
    value(await service.createEnvironment({ name: "x", image: "latest" }, caller));
    for (const note of ["one", "two"]) value(await service.pin("x", { image: "latest", note }, caller));
    value(await service.deleteEnvironment("x", caller));
    expect((await usedBy(pinned)).pin_notes).toBe(0);
    expect(await rows(pinned, "SELECT revision, note FROM revisions WHERE environment = 2")).toEqual([
      { revision: 3, note: null },
    ]);
    value(await service.createEnvironment({ name: "x", image: "latest" }, caller));
    expect(value(await service.history("x", { limit: 200 })).items).toHaveLength(1);
  });

  test("are pushes: the newest are kept", async ({ pinned }) => {
    await rows(
      pinned,
      `WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i <= ?)
       INSERT INTO pushes (seq, digest, pushed_at) SELECT i, 'sha256:old', 0 FROM n`,
      pushesKept + 50,
    );
    await pinned.push(2, "latest");
    expect(await rows(pinned, "SELECT count(*) AS n FROM pushes")).toEqual([{ n: pushesKept }]);
    const [newest] = value(await pinned.service().recentImages({ registryHost: "r" }));
    expect(newest).toMatchObject({ digest: digestNumber(2), tag: "latest" });
    expect(value(await pinned.service().listImages({ limit: 9 }, { registryHost: "r" })).items).toMatchObject(
      [{ digest: digestNumber(2) }, { digest: digestNumber(1) }],
    );
  });

  test("are tokens that have expired: a while after, the next one takes their place", async ({ pinned }) => {
    const create = async (name: string, expires?: number) => {
      const secret = { id: name.padEnd(12, "0"), secretHash: await hashSecret(name) };
      const body = { name, role: "read" as const };
      return pinned.accountObject.createToken(
        expires === undefined ? body : { ...body, expires_in_seconds: expires },
        secret,
        caller,
      );
    };
    const names = async () =>
      value(await pinned.accountObject.listTokens({ limit: 200 })).items.map(({ name }) => name);
    value(await create("short", 1));
    value(await create("long", 60 * 24 * 3600));
    const used = (await usedBy(pinned)).tokens;
    vi.setSystemTime(Date.now() + 1_000 + expiredTokensKeptMs - 1);
    value(await create("b"));
    expect(await names()).toContain("short");
    vi.setSystemTime(Date.now() + 1);
    value(await create("c"));
    expect(await names()).not.toContain("short");
    expect(await names()).toContain("long");
    expect((await usedBy(pinned)).tokens).toBe(used + 1);
  });
});
