import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, vi } from "vitest";
import { type EventKind, type EventType, eventKind } from "../../../src/domain/events.ts";
import { eventsKeptMax, eventsKeptMs, recoveryDelayMs } from "../../../src/domain/limits.ts";
import { accountMigrations } from "../../../src/objects/account/account.sql.ts";
import { eventKindsMigration, eventsSql } from "../../../src/objects/account/events/events.sql.ts";
import { Database } from "../../../src/objects/database.ts";
import { newEvent } from "../../../src/objects/events.ts";
import { accountStub, serviceStub } from "../../../src/objects/stubs.ts";
import { hashSecret } from "../../../src/protocol/tokens/access-token.ts";
import type { AccountEvent, EventQuery } from "../../../src/protocol/v3/events.ts";
import { alarmOf, evict, passTime, passTimeRunning } from "../../support/worker/clock.ts";
import { agentOf, breakTable, register, registrationOf } from "../support/agent.ts";
import { followObject } from "../support/follow.ts";
import { test } from "../support/object-test.ts";
import {
  actor,
  caller,
  code,
  digestNumber,
  type Hello,
  registryHost,
  setUp,
  value,
} from "../support/service.ts";

const soon = { timeout: 5_000, interval: 5 };

function tick(): void {
  vi.setSystemTime(Date.now() + 1_000);
}

async function events(hello: Hello, query: Partial<EventQuery> = {}, allowed?: string[]) {
  return value(await hello.accountObject.listEvents({ limit: 200, ...query }, allowed));
}

async function messages(hello: Hello, query: Partial<EventQuery> = {}, allowed?: string[]) {
  return (await events(hello, query, allowed)).items.map(({ message }) => message);
}

/** Waits for the newest event and gives it without its id. */
async function newest(hello: Hello, type: AccountEvent["type"]): Promise<Omit<AccountEvent, "id">> {
  return vi.waitFor(async () => {
    const [found] = (await events(hello, { type })).items;
    if (!found) throw new Error(`there is no ${type}`);
    const { id, ...rest } = found;
    return rest;
  }, soon);
}

/** How many events wait in the service to be recorded. */
function queued(hello: Hello): Promise<number> {
  return runInDurableObject(
    hello.service(),
    (_, { storage }) =>
      storage.sql.exec<{ count: number }>("SELECT count(*) AS count FROM event_outbox").one().count,
  );
}

const by = { token_id: actor.tokenId, token_name: actor.tokenName };
const ofActor = { actor: by };

describe("each kind of change leaves its event", () => {
  const settings = { max_idle_seconds: 9 };
  const changes: [AccountEvent["type"], (hello: Hello) => Promise<unknown>, Partial<AccountEvent>][] = [
    ["service.created", async () => {}, { service: "hello", ...ofActor }],
    [
      "service.changed",
      (hello) => hello.service().patch({ default_environment: "default" }, caller),
      { service: "hello", details: { default_environment: "default" }, ...ofActor },
    ],
    [
      "service.deleted",
      (hello) => hello.accountObject.deleteService("hello", caller),
      { service: "hello", ...ofActor },
    ],
    [
      "environment.created",
      (hello) => hello.service().createEnvironment({ name: "prod", image: "latest" }, caller),
      { service: "hello", environment: "prod", details: { image: "latest" }, ...ofActor },
    ],
    [
      "environment.changed",
      (hello) => hello.service().patchEnvironment("default", { settings }, caller),
      { service: "hello", environment: "default", details: settings, ...ofActor },
    ],
    [
      "environment.deleted",
      async (hello) => {
        value(await hello.service().createEnvironment({ name: "prod", image: "latest" }, caller));
        return hello.service().deleteEnvironment("prod", caller);
      },
      { service: "hello", environment: "prod", ...ofActor },
    ],
    [
      "environment.pinned",
      (hello) => hello.service().pin("default", { image: "v1", note: "why" }, caller),
      {
        service: "hello",
        environment: "default",
        details: { kind: "pin", image: "v1", digest: digestNumber(1), revision: 2, note: "why" },
        ...ofActor,
      },
    ],
    [
      "image.recorded",
      (hello) =>
        hello.service().recordImage(
          { digest: digestNumber(2) },
          {
            origin: "registry",
            actor: null,
            registryHost,
          },
        ),
      { service: "hello", details: { digest: digestNumber(2) }, actor: null },
    ],
    [
      "image.deleted",
      (hello) => hello.service().deleteImage(digestNumber(1), caller),
      { service: "hello", details: { digest: digestNumber(1) }, ...ofActor },
    ],
    [
      "tag.removed",
      (hello) => hello.service().forgetTag("v1", digestNumber(1)),
      { service: "hello", details: { tag: "v1", digest: digestNumber(1) }, actor: null },
    ],
    ["cluster.registered", (hello) => register(hello, "second"), { cluster: "second", ...ofActor }],
    [
      "cluster.changed",
      (hello) => hello.accountObject.patchCluster("main", { ack: "async" }, caller),
      { cluster: "main", details: { ack: "async" }, ...ofActor },
    ],
    [
      "cluster.deleted",
      (hello) => hello.accountObject.deleteCluster("main", caller),
      { cluster: "main", ...ofActor },
    ],
    [
      "cluster.drained",
      async (hello) => hello.accountObject.setClusterDraining("main", await registrationOf(hello), true),
      { cluster: "main", actor: null },
    ],
    [
      "cluster.undrained",
      async (hello) => {
        const registration = await registrationOf(hello);
        value(await hello.accountObject.setClusterDraining("main", registration, true));
        return hello.accountObject.setClusterDraining("main", registration, false);
      },
      { cluster: "main", actor: null },
    ],
    [
      "token.created",
      (hello) => createToken(hello),
      { details: { token_id: "second000000", token_name: "ci", role: "read" }, ...ofActor },
    ],
    [
      "token.revoked",
      async (hello) => {
        await createToken(hello);
        return hello.accountObject.deleteToken("second000000", caller);
      },
      { details: { token_id: "second000000", token_name: "ci" }, ...ofActor },
    ],
  ];

  async function createToken(hello: Hello) {
    const secret = { id: "second000000", secretHash: await hashSecret("x") };
    return value(await hello.accountObject.createToken({ name: "ci", role: "read" }, secret, caller));
  }

  test.for(changes)("%s", async ([type, change, expected], { hello }) => {
    await hello.push(1, "v1");
    tick();
    await change(hello);
    await vi.waitFor(async () => expect(await queued(hello)).toBe(0), soon);
    const event = await newest(hello, type);
    expect(event).toEqual({ ...expected, type, time: expect.any(String), message: expect.any(String) });
  });

  test("cluster.lost once, however often the services have to be notified", async ({ hello }) => {
    const agent = agentOf(hello);
    value(await agent.beat([]));
    const mend = await breakTable(hello.service(), "backends");
    await passTimeRunning(agent.stub(), 61_000);
    await passTimeRunning(agent.stub(), 5_000);
    await mend();
    await passTimeRunning(agent.stub(), 5_000);
    const { items } = await events(hello, { type: "cluster.lost" });
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({ cluster: "main", actor: null, time: "2030-01-01T00:01:00.000Z" });
  });

  test("cluster.lost by the last heartbeat before each loss", async ({ hello }) => {
    const agent = agentOf(hello);
    for (let loss = 0; loss < 2; loss++) {
      value(await agent.beat([]));
      await passTimeRunning(agent.stub(), 30_000);
      value(await agent.beat([]));
      await passTimeRunning(agent.stub(), 61_000);
      await passTimeRunning(agent.stub(), 5_000);
    }
    const { items } = await events(hello, { type: "cluster.lost" });
    expect(items.map(({ time }) => time)).toEqual(["2030-01-01T00:03:06.000Z", "2030-01-01T00:01:30.000Z"]);
  });

  test("backend.terminated for the first request, and for the one that makes it hard", async ({
    pinned: hello,
  }) => {
    const { backendId } = value(await hello.connect());
    for (const hard of [false, false, true, true]) {
      tick();
      value(await hello.service().terminate(backendId, hard, caller));
    }
    await vi.waitFor(async () => {
      const { items } = await events(hello, { type: "backend.terminated" });
      expect(items.map(({ details }) => details)).toEqual([{ hard: true }, { hard: false }]);
      expect(items[0]).toMatchObject({ actor: by, environment: "default", backend_id: backendId });
    }, soon);
  });

  test("one backend.terminated with the count for all that were ended at once", async ({ pinned: hello }) => {
    for (let i = 0; i < 3; i++) value(await hello.connect());
    const params = { before: null, hard: false, dryRun: false };
    value(await hello.service().terminateAll({ ...params, dryRun: true }, caller));
    value(await hello.service().terminateAll(params, caller));
    value(await hello.service().terminateAll(params, caller));
    expect(await newest(hello, "backend.terminated")).toMatchObject({ details: { hard: false, count: 3 } });
    expect((await events(hello, { type: "backend.terminated" })).items).toHaveLength(1);
  });
});

describe("no event is left", () => {
  test("by a spawn, nor by an end that nobody requested", async ({ pinned: hello }) => {
    await newest(hello, "image.recorded");
    const before = (await events(hello)).items.length;
    const { backendId } = value(await hello.connect());
    value(await hello.report(backendId, 1, "terminated"));
    expect(await queued(hello)).toBe(0);
    expect((await events(hello)).items).toHaveLength(before);
  });

  test("by a request that was refused or sent again, nor by a patch of nothing", async ({ hello }) => {
    const once = { principal: "atoken000000", key: "k", requestHash: "h" };
    const body = { name: "prod", image: "latest" };
    for (let i = 0; i < 2; i++)
      value(await hello.service().createEnvironment(body, { ...caller, idempotency: once }));
    await hello.service().createEnvironment(body, caller);
    await hello.service().pin("prod", { image: "missing" }, caller);
    value(await hello.service().patchEnvironment("prod", {}, caller));
    value(await hello.accountObject.patchCluster("main", {}, caller));
    await newest(hello, "environment.created");
    expect((await events(hello)).items.map(({ type }) => type).sort()).toEqual([
      "cluster.registered",
      "environment.created",
      "service.created",
      "token.created",
    ]);
  });

  test("by a cluster's deletion that was refused; one that is finished later names who requested it", async ({
    hello,
  }) => {
    value(await register(hello, "second"));
    value(await hello.service().patchEnvironment("default", { cluster: "main" }, caller));
    expect(code(await hello.accountObject.deleteCluster("main", caller))).toBe("cluster_in_use");
    expect((await events(hello, { type: "cluster.deleted" })).items).toEqual([]);
    value(await hello.service().patchEnvironment("default", { cluster: "second" }, caller));
    const mend = await breakTable(hello.service(), "service");
    value(await hello.accountObject.deleteCluster("main", caller));
    expect((await events(hello, { type: "cluster.deleted" })).items).toEqual([]);
    await mend();
    await passTime(hello.accountObject, 10_000);
    expect(await newest(hello, "cluster.deleted")).toMatchObject({ actor: by, cluster: "main" });
  });
});

describe("a service whose account does not take its events", () => {
  test("answers all the same, keeps them across a restart, and sends each once when it is accepted", async ({
    hello,
  }) => {
    await vi.waitFor(async () => expect(await queued(hello)).toBe(0), soon);
    const mend = await breakTable(hello.accountObject, "events");
    await hello.push(1, "v1");
    tick();
    await hello.push(2, "v2");
    await passTime(hello.service(), 20_000);
    expect(await queued(hello)).toBe(2);
    await evict(hello.service());
    await mend();
    await passTime(hello.service(), 60_000);
    await vi.waitFor(async () => expect(await queued(hello)).toBe(0), soon);
    expect(await messages(hello, { type: "image.recorded" })).toHaveLength(2);
  });

  test("sends all of many in one pass", async ({ hello }) => {
    const mend = await breakTable(hello.accountObject, "events");
    const body = { digest: digestNumber(1) };
    for (let i = 0; i < 120; i++) value(await hello.service().recordImage(body, caller));
    await mend();
    await passTime(hello.service(), 60_000);
    await vi.waitFor(async () => expect(await queued(hello)).toBe(0), soon);
    expect((await events(hello, { type: "image.recorded" })).items).toHaveLength(120);
  });

  test("has set its alarm before its first attempt, so that a crash leaves nothing unsent", async ({
    hello,
  }) => {
    await hello.push(1, "v1");
    const at = await alarmOf(hello.service());
    expect(at).not.toBeNull();
    expect((at ?? 0) - Date.now()).toBeLessThanOrEqual(recoveryDelayMs);
  });

  test("sends again what was recorded but not deleted here, and it is recorded once", async ({ hello }) => {
    const event = newEvent({ type: "service.deleted", actor, service: "hello" }, Date.now());
    for (let i = 0; i < 2; i++) value(await hello.accountObject.recordEvents([event]));
    expect((await events(hello, { type: "service.deleted" })).items).toEqual([event]);
  });
});

describe("events", () => {
  /** Three pins, a second apart. */
  async function threePins() {
    const hello = await setUp();
    for (const n of [1, 2, 3]) await hello.push(n, `v${n}`);
    for (const n of [1, 2, 3]) {
      tick();
      value(await hello.service().pin("default", { image: `v${n}` }, caller));
    }
    await vi.waitFor(async () => expect(await queued(hello)).toBe(0), soon);
    return hello;
  }

  test("are listed newest first, page by page", async () => {
    const hello = await threePins();
    const type = "environment.pinned" as const;
    const all = await events(hello, { type });
    expect(all.items.map(({ details }) => details?.image)).toEqual(["v3", "v2", "v1"]);
    const first = await events(hello, { type, limit: 2 });
    expect(first.next).toBe(first.items[1]?.id);
    const second = await events(hello, { type, limit: 2, cursor: first.next ?? "" });
    expect([...first.items, ...second.items]).toEqual(all.items);
    expect(second.next).toBeNull();
  });

  test("are filtered by type, service, environment and cluster, and to what a narrowed reader may see", async () => {
    const hello = await threePins();
    expect(await messages(hello, { service: "hello", environment: "default" })).toHaveLength(3);
    expect(await messages(hello, { service: "other" })).toEqual([]);
    expect(await messages(hello, { environment: "prod" })).toEqual([]);
    expect(await messages(hello, { cluster: "main" })).toEqual(["registered cluster `main`"]);
    expect(await messages(hello, { service: "hello" }, ["prod"])).toHaveLength(4);
  });

  test("have no page at a cursor that no list gave", async ({ hello }) => {
    expect(code(await hello.accountObject.listEvents({ limit: 1, cursor: "1' OR 1" }))).toBe("bad_request");
  });

  test("of another account are not shown, and an account that was never created has none", async () => {
    const [hello, other] = [await setUp(), await setUp()];
    await threePins();
    expect((await messages(other)).sort()).toEqual((await messages(hello)).sort());
    const never = accountStub(env, "never");
    expect(code(await never.listEvents({ limit: 1 }))).toBe("account_not_found");
    expect(code(await never.recordEvents([]))).toBe("account_not_found");
    expect((await never.fetch("http://object.test/follow/events")).status).toBe(404);
  });
});

describe("the account", () => {
  /** Puts so many events of a type into an account, later than all that it has. */
  function fill(hello: Hello, type: EventType, count: number) {
    return runInDurableObject(hello.accountObject, (_, { storage }) => {
      const at = Date.now() + 1;
      const event = newEvent({ type: "service.created", actor: null, service: "hello" }, at);
      storage.sql.exec(
        `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
         INSERT INTO events (id, at, type, event, kind, ordinal)
         SELECT printf('%s%010d', ?2, i), ?3, ?4, ?5, ?6,
           i + 1 + (SELECT coalesce(max(ordinal), 0) FROM events WHERE kind = ?6) FROM n`,
        count,
        event.id.slice(0, 10),
        at,
        type,
        JSON.stringify({ ...event, type }),
        eventKind({ type }),
      );
      vi.setSystemTime(at + 1);
    });
  }

  function count(hello: Hello, kind?: EventKind): Promise<number> {
    return runInDurableObject(
      hello.accountObject,
      (_, { storage }) =>
        storage.sql
          .exec<{ count: number }>(
            "SELECT count(*) AS count FROM events WHERE kind = coalesce(?, kind)",
            kind ?? null,
          )
          .one().count,
    );
  }

  test("forgets events after ninety days, by its alarm", async ({ hello }) => {
    const before = await count(hello);
    await passTime(hello.accountObject, eventsKeptMs - 1_000);
    expect(await count(hello)).toBe(before);
    await passTime(hello.accountObject, 1_000);
    expect(await count(hello)).toBe(0);
  });

  test.for([
    { kind: "deed", type: "token.created" },
    { kind: "activity", type: "backend.terminated" },
  ] as const)(
    "keeps the newest of too many of the kind $kind, and deletes the others in batches and not at every write",
    async ({ kind, type }, { hello }) => {
      const others = (await count(hello)) - (await count(hello, kind));
      const before = await count(hello, kind);
      await fill(hello, type, eventsKeptMax[kind] + 1_500);
      const more = { type: "cluster.changed", actor: null, cluster: "main", details: {} } as const;
      value(await hello.accountObject.recordEvents([newEvent(more, Date.now())]));
      const deed = kind === "deed" ? 1 : 0;
      const all = before + eventsKeptMax[kind] + 1_500 + deed;
      expect(await count(hello, kind)).toBe(all);
      const at = await alarmOf(hello.accountObject);
      expect((at ?? 0) - Date.now()).toBeGreaterThan(500_000);
      await passTime(hello.accountObject, 600_000);
      expect(await count(hello, kind)).toBe(all - 1_000);
      await passTime(hello.accountObject, 0);
      expect(await count(hello, kind)).toBe(eventsKeptMax[kind]);
      expect((await count(hello)) - (await count(hello, kind)), "those of the other kind").toBe(
        others + 1 - deed,
      );
      expect(await messages(hello, { limit: 1, type: "cluster.changed" })).toHaveLength(1);
    },
  );

  test("who created a service is known after any number of terminations", async ({ hello }) => {
    await fill(hello, "backend.terminated", 2 * eventsKeptMax.activity);
    value(await hello.accountObject.patchCluster("main", { ack: "async" }, caller));
    for (let i = 0; i < 12; i++) await passTime(hello.accountObject, 600_000);
    expect(await count(hello, "activity")).toBe(eventsKeptMax.activity);
    const query = { limit: 10, type: "service.created" } as const;
    let page = await events(hello, query);
    while (page.items.length === 0 && page.next !== null) {
      page = await events(hello, { ...query, cursor: page.next });
    }
    expect(page.items).toMatchObject([{ service: "hello" }]);
  });
});

test("events of an earlier version are counted by their kinds", async () => {
  const found = await runInDurableObject(serviceStub(env, "migrations", "events"), (_, { storage }) => {
    const former = accountMigrations.findIndex(({ name }) => name === eventKindsMigration.name);
    new Database(storage, accountMigrations.slice(0, former)).migrate();
    const types: EventType[] = ["service.created", "backend.terminated", "token.created", "cluster.lost"];
    for (const [i, type] of types.entries()) {
      storage.sql.exec("INSERT INTO events (id, at, type, event) VALUES (?, ?, ?, '{}')", `id${i}`, i, type);
    }
    const sql = eventsSql(new Database(storage, accountMigrations));
    return [
      storage.sql.exec("SELECT type, kind, ordinal FROM events ORDER BY seq").toArray(),
      sql.eventsKept("deed"),
      sql.eventsKept("activity"),
    ];
  });
  expect(found).toEqual([
    [
      { type: "service.created", kind: "deed", ordinal: 1 },
      { type: "backend.terminated", kind: "activity", ordinal: 1 },
      { type: "token.created", kind: "deed", ordinal: 2 },
      { type: "cluster.lost", kind: "activity", ordinal: 2 },
    ],
    { at: 0, count: 2 },
    { at: 1, count: 2 },
  ]);
});

describe("a follower of an account", () => {
  const pinDefault = (hello: Hello, image: string) => hello.service().pin("default", { image }, caller);

  test("receives events as they are recorded, also after the account was evicted", async ({ hello }) => {
    await hello.push(1, "v1");
    await newest(hello, "image.recorded");
    const received = await followObject<AccountEvent>(hello.accountObject, "/follow/events");
    value(await pinDefault(hello, "v1"));
    await vi.waitFor(() => expect(received.map(({ type }) => type)).toEqual(["environment.pinned"]), soon);
    await evict(hello.accountObject);
    value(await hello.accountObject.patchCluster("main", { ack: "async" }, caller));
    await vi.waitFor(() => expect(received.at(-1)?.type).toBe("cluster.changed"), soon);
    expect(received).toHaveLength(2);
  });

  test("receives the first event after all before it were dropped", async ({ hello }) => {
    const received = await followObject<AccountEvent>(hello.accountObject, "/follow/events");
    await passTime(hello.accountObject, eventsKeptMs);
    value(await hello.accountObject.patchCluster("main", { ack: "async" }, caller));
    await vi.waitFor(() => expect(received.map(({ type }) => type)).toEqual(["cluster.changed"]), soon);
  });

  test("that reconnects receives what was recorded after its last event, even of an earlier time", async ({
    hello,
  }) => {
    const late = newEvent({ type: "service.deleted", actor, service: "late" }, Date.now() - 60_000);
    const [last] = (await events(hello)).items;
    tick();
    value(await hello.accountObject.patchCluster("main", { ack: "async" }, caller));
    value(await hello.accountObject.recordEvents([late]));
    const received = await followObject<AccountEvent>(
      hello.accountObject,
      `/follow/events?after=${last?.id}`,
    );
    await vi.waitFor(
      () =>
        expect(received.map(({ type }) => type).slice(-2)).toEqual(["cluster.changed", "service.deleted"]),
      soon,
    );
  });
});
