import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, vi } from "vitest";
import { formerEnvironmentsKept } from "../../../src/domain/limits.ts";
import { Database } from "../../../src/objects/database.ts";
import { serviceMigrations } from "../../../src/objects/service/sql/migrations.ts";
import { resolvedDigestsMigration } from "../../../src/objects/service/sql/revisions.sql.ts";
import { serviceStub } from "../../../src/objects/stubs.ts";
import type { AccountEvent } from "../../../src/protocol/v3/events.ts";
import { metered } from "../support/cost.ts";
import { test } from "../support/object-test.ts";
import { actor, caller, code, digestNumber, type Hello, registryHost, value } from "../support/service.ts";

const ci = { tokenId: "citoken00000", tokenName: "ci" };
const by = { token_id: ci.tokenId, token_name: ci.tokenName };
const asCi = { ...caller, actor: ci };

function push(hello: Hello, n: number, tag: string) {
  return hello.service().recordImage({ digest: digestNumber(n), tag }, asCi);
}

async function history(hello: Hello, environment = "default") {
  return value(await hello.service().history(environment, { limit: 100 })).items;
}

async function addEnvironment(hello: Hello, name: string, image = "latest") {
  return value(await hello.service().createEnvironment({ name, image }, caller));
}

/** The events of a type, oldest first, once there are so many. */
async function eventsOf(hello: Hello, type: AccountEvent["type"], count: number) {
  return vi.waitFor(async () => {
    const { items } = value(await hello.accountObject.listEvents({ limit: 100, type }));
    expect(items).toHaveLength(count);
    return items.reverse();
  });
}

describe("a push to a tag", () => {
  test("is a revision of each environment that follows it, with who pushed and when", async ({ hello }) => {
    await addEnvironment(hello, "prod");
    value(await push(hello, 1, "v1"));
    await addEnvironment(hello, "staging", "v1");
    vi.setSystemTime("2030-01-02T03:04:05Z");
    value(await push(hello, 2, "latest"));
    const first = { revision: 2, image: "latest", digest: digestNumber(2), kind: "push", by };
    for (const name of ["default", "prod"]) {
      const [pushed, created] = await history(hello, name);
      expect(pushed).toEqual({ ...first, at: "2030-01-02T03:04:05.000Z", returnable: true });
      expect(created).toMatchObject({ revision: 1, digest: null, kind: "create" });
      expect(value(await hello.service().getEnvironment(name))).toMatchObject({
        image: "latest",
        digest: digestNumber(2),
        revision: 2,
      });
    }
    expect(await history(hello, "staging")).toHaveLength(1);
  });

  test("is none where the tag stands on the image already, or nothing follows it", async ({ hello }) => {
    value(await push(hello, 1, "latest"));
    value(await push(hello, 1, "latest"));
    value(await push(hello, 2, "v2"));
    value(await hello.service().recordImage({ digest: digestNumber(3) }, asCi));
    expect((await history(hello)).map(({ revision }) => revision)).toEqual([2, 1]);
  });

  test("is caught by If-Match: who looked before it changes nothing after it", async ({ hello }) => {
    value(await push(hello, 1, "latest"));
    value(await push(hello, 2, "latest"));
    const stale = { ...caller, ifMatch: 2 };
    const refused = await hello.service().pin("default", { image: digestNumber(1) }, stale);
    expect(refused).toMatchObject({
      ok: false,
      error: { code: "revision_conflict", details: { revision: 3, image: "latest" } },
    });
    expect(code(await hello.service().patchEnvironment("default", {}, stale))).toBe("revision_conflict");
    value(await hello.service().pin("default", { image: digestNumber(1) }, { ...caller, ifMatch: 3 }));
  });

  test("is an event of each environment and an `image.pinned`, by whoever pushed", async ({
    hello,
    cluster,
  }) => {
    await addEnvironment(hello, "prod");
    value(await push(hello, 1, "latest"));
    const details = { kind: "push", image: "latest", digest: digestNumber(1), revision: 2 };
    const common = { actor: by, service: "hello", details };
    const events = await eventsOf(hello, "environment.pinned", 2);
    // Those of one millisecond are in no order.
    expect(events.sort((a, b) => (a.environment ?? "").localeCompare(b.environment ?? ""))).toMatchObject([
      { ...common, environment: "default" },
      { ...common, environment: "prod" },
    ]);
    await cluster.settledOf("image.pinned", 2);
    const announced = cluster.of("image.pinned").map(({ message }) => message.data);
    const pushed = { revision: 2, image: { digest: digestNumber(1), tag: "latest" } };
    for (const environment of ["default", "prod"]) {
      expect(announced).toContainEqual(expect.objectContaining({ environment, revision: 2 }));
    }
    expect(announced).toMatchObject([pushed, pushed]);
  });

  test("through the registry is by its token, and by nobody where that is not known any more", async ({
    hello,
  }) => {
    const image = (n: number) => ({ digest: digestNumber(n), tag: "latest" });
    const registry = { origin: "registry", registryHost } as const;
    value(await hello.service().recordImage(image(1), { ...registry, actor: ci }));
    value(await hello.service().recordImage(image(2), { ...registry, actor: null }));
    expect((await history(hello)).map((revision) => revision.by)).toMatchObject([
      null,
      by,
      { token_id: actor.tokenId },
    ]);
    const events = await eventsOf(hello, "image.recorded", 2);
    const actorOf = (n: number) => events.find(({ details }) => details?.digest === digestNumber(n))?.actor;
    expect([actorOf(1), actorOf(2)]).toMatchObject([by, null]);
  });

  test("costs as much as it moves: neither tags nor other environments are gone through", async ({
    hello,
  }) => {
    for (const [n, tag] of ["free", "many", "one"].entries()) value(await push(hello, n, tag));
    for (let n = 0; n < 60; n++) await addEnvironment(hello, `many-${n}`, "many");
    await addEnvironment(hello, "one", "one");
    const meter = await metered(hello.service());
    const costOf = async (n: number, tag: string) => {
      meter.reset();
      value(await push(hello, n, tag));
      // Rows are counted in microtasks after their statements.
      await Promise.resolve();
      const rows = Object.entries(meter.cost.rows).filter(([what]) => /revisions|environments/.test(what));
      return { read: meter.cost.read, rows: Object.fromEntries(rows) };
    };
    const none = await costOf(1, "free");
    expect(none.rows).toEqual({});
    expect(none.read).toBeLessThan(60);
    const one = await costOf(1, "one");
    // The revision, and that the environment protects what it resolves to.
    expect(one.rows).toEqual({ "UPDATE environments SET": 1, "INSERT INTO revisions": 3 });
    expect(one.read).toBeLessThan(60);
  });
});

describe("a pin", () => {
  test("says in its event that it is one", async ({ hello }) => {
    value(await push(hello, 1, "v1"));
    value(await hello.service().pin("default", { image: "v1" }, caller));
    expect(await eventsOf(hello, "environment.pinned", 1)).toMatchObject([
      { details: { kind: "pin", image: "v1", digest: digestNumber(1), revision: 2 } },
    ]);
  });

  test("again to what a revision resolved to returns to what ran", async ({ hello }) => {
    for (const n of [1, 2, 3]) value(await push(hello, n, "latest"));
    const ran = (await history(hello)).find(({ revision }) => revision === 3)?.digest ?? "none";
    expect(ran).toBe(digestNumber(2));
    value(await hello.service().pin("default", { image: ran }, caller));
    expect((await history(hello))[0]).toMatchObject({ revision: 5, kind: "pin", digest: digestNumber(2) });
  });
});

test("the newest revision of every environment is what it resolves to, whatever is pushed, pinned, created and deleted, and a number is given once", {
  timeout: 60_000,
}, async ({ hello }) => {
  const names = ["default", "a", "b"];
  const tags = ["latest", "v1"];
  const step = fc.oneof(
    fc.record({ push: fc.constantFrom(...tags), n: fc.integer({ min: 1, max: 3 }) }),
    fc.record({
      pin: fc.constantFrom(...names),
      image: fc.constantFrom(...tags, digestNumber(1), digestNumber(2)),
    }),
    fc.record({ create: fc.constantFrom(...names), image: fc.constantFrom(...tags) }),
    fc.record({ remove: fc.constantFrom("a", "b") }),
  );
  const last = new Map<string, { revision: number; was: string }>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 15 }), async (steps) => {
      for (const now of steps) {
        const service = hello.service();
        if ("push" in now) value(await push(hello, now.n, now.push));
        else if ("pin" in now) await service.pin(now.pin, { image: now.image }, caller);
        else if ("create" in now)
          await service.createEnvironment({ name: now.create, image: now.image }, caller);
        else await service.deleteEnvironment(now.remove, caller);
        for (const environment of value(await service.listEnvironments({ limit: 100 })).items) {
          const { name, image, digest, revision, created_at } = environment;
          const [newest] = await history(hello, name);
          expect(newest).toMatchObject({ revision, image, digest });
          const resolved = value(await service.resolve(name, {}));
          expect([resolved.digest, resolved.revision]).toEqual([digest, revision]);
          // The same number, the same meaning: what If-Match rests on.
          const was = JSON.stringify([image, digest, created_at]);
          const before = last.get(name);
          if (before && before.revision === revision) expect(was).toBe(before.was);
          else expect(revision).toBeGreaterThan(before?.revision ?? 0);
          last.set(name, { revision, was });
        }
      }
    }),
    { numRuns: 25 },
  );
});

describe("an environment that is created again under an old name", () => {
  test("goes on with its revision numbers, so that an If-Match of before fails", async ({ hello }) => {
    value(await push(hello, 1, "latest"));
    await addEnvironment(hello, "prod");
    value(await hello.service().pin("prod", { image: "latest" }, caller));
    value(await hello.service().deleteEnvironment("prod", caller));
    expect((await addEnvironment(hello, "prod")).revision).toBe(3);
    for (const ifMatch of [1, 2]) {
      const refused = await hello.service().pin("prod", { image: "latest" }, { ...caller, ifMatch });
      expect(code(refused)).toBe("revision_conflict");
    }
    expect((await history(hello, "prod")).map(({ revision, kind }) => [revision, kind])).toEqual([
      [3, "create"],
    ]);
  });

  test("does so when its whole service was deleted and created again", async ({ hello }) => {
    for (const n of [1, 2]) value(await push(hello, n, "latest"));
    value(await hello.accountObject.deleteService("hello", caller));
    value(await hello.accountObject.createService({ name: "hello" }, caller));
    expect(value(await hello.service().getEnvironment("default"))).toMatchObject({
      revision: 4,
      digest: null,
    });
  });
});

test("resolve shows the holder of a key with its own image, also when its spawn named one or the pin has moved; so does the list of backends", async ({
  hello,
}) => {
  value(await push(hello, 1, "latest"));
  value(await push(hello, 2, "canary"));
  value(await hello.connect({ key: "pinned" }));
  value(await hello.connect({ key: "tag", spawn: { tag: "canary" } }));
  value(await hello.connect({ key: "digest", spawn: { tag: digestNumber(2) } }));
  value(await push(hello, 3, "latest"));
  value(await push(hello, 4, "canary"));
  value(await hello.service().pin("default", { image: "canary" }, caller));
  const expected = {
    pinned: { image: "latest", digest: digestNumber(1), revision: 2 },
    tag: { image: "canary", digest: digestNumber(2), revision: 2 },
    digest: { image: digestNumber(2), digest: digestNumber(2), revision: 2 },
  };
  const { items } = value(await hello.service().listBackends({ limit: 10 }));
  for (const [key, image] of Object.entries(expected)) {
    expect(value(await hello.service().resolve("default", { key }))).toMatchObject({
      action: "reuse",
      ...image,
    });
    const other = await hello.service().resolve("default", { key, tag: "latest" });
    expect(value(other)).toMatchObject({ action: "reuse", ...image });
    expect(items.find((backend) => backend.key === key)?.image).toEqual(image);
  }
});

test("what a former version has is taken over: each environment with the digest that it resolves to, and a revision where that is not the last one's", async ({
  hello,
}) => {
  const former = serviceMigrations.findIndex(({ name }) => name === resolvedDigestsMigration.name);
  const found = await runInDurableObject(serviceStub(env, hello.account, "former"), (_, { storage }) => {
    new Database(storage, serviceMigrations.slice(0, former)).migrate();
    const run = (sql: string) => storage.sql.exec(sql).toArray();
    run(`INSERT INTO service (id, account, name, code, created_at, config, config_version)
           VALUES (1, 'a', 's', 'c', 0, '{}', 1)`);
    run("INSERT INTO images (seq, digest, pushed_at) VALUES (1, 'sha256:1', 10), (2, 'sha256:2', 20)");
    run("INSERT INTO tags (tag, digest, push) VALUES ('latest', 'sha256:2', 2), ('v1', 'sha256:1', 1)");
    run(`INSERT INTO environments (seq, name, settings, image, revision, created_at) VALUES
           (1, 'moved', '{}', 'latest', 3, 0), (2, 'still', '{}', 'v1', 1, 0),
           (3, 'digest', '{}', 'sha256:1', 2, 0), (4, 'nothing', '{}', 'v9', 1, 0)`);
    run(`INSERT INTO revisions (environment, revision, image, digest, kind, token_id, token_name, at) VALUES
           (1, 3, 'latest', 'sha256:1', 'pin', 't', 't', 5), (2, 1, 'v1', 'sha256:1', 'create', 't', 't', 5),
           (3, 2, 'sha256:1', 'sha256:1', 'pin', 't', 't', 5), (4, 1, 'v9', NULL, 'create', 't', 't', 5)`);
    new Database(storage, serviceMigrations);
    return {
      environments: run("SELECT name, digest, revision FROM environments ORDER BY seq"),
      pushes: run(
        "SELECT environment, revision, image, digest, token_id, at FROM revisions WHERE kind = 'push'",
      ),
    };
  });
  expect(found).toEqual({
    environments: [
      { name: "moved", digest: "sha256:2", revision: 4 },
      { name: "still", digest: "sha256:1", revision: 1 },
      { name: "digest", digest: "sha256:1", revision: 2 },
      { name: "nothing", digest: null, revision: 1 },
    ],
    pushes: [{ environment: 1, revision: 4, image: "latest", digest: "sha256:2", token_id: "", at: 20 }],
  });
});

test("of deleted environments so many names are remembered, and beyond them numbers go on above all that are forgotten", async ({
  hello,
}) => {
  value(await push(hello, 1, "latest"));
  await addEnvironment(hello, "first");
  for (let n = 0; n < 3; n++) value(await hello.service().pin("first", { image: "latest" }, caller));
  value(await hello.service().deleteEnvironment("first", caller));
  await runInDurableObject(hello.service(), (_, { storage }) => {
    storage.sql.exec(
      `WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
       INSERT INTO former_environments (name, revision, seq) SELECT 'former-' || i, 1, i FROM n`,
      formerEnvironmentsKept,
    );
  });
  expect((await addEnvironment(hello, "second")).revision).toBe(1);
  value(await hello.service().deleteEnvironment("second", caller));
  const kept = await runInDurableObject(hello.service(), (_, { storage }) =>
    storage.sql.exec("SELECT count(*) AS count FROM former_environments").one(),
  );
  expect(kept).toEqual({ count: formerEnvironmentsKept });
  // What was forgotten is `first`, at revision 4.
  expect((await addEnvironment(hello, "first")).revision).toBe(5);
  expect((await addEnvironment(hello, "second")).revision).toBe(2);
});
