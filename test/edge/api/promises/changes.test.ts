import { describe, expect } from "vitest";
import { readIdempotency } from "../../../../src/edge/api/preconditions.ts";
import { plan } from "../../../../src/protocol/v3/deploys.ts";
import { environment } from "../../../../src/protocol/v3/services.ts";
import { apiOrigin, call } from "../../../support/worker/api.ts";
import { isolatedClusterTest as test } from "../../../support/worker/worker-test.ts";
import {
  allEvents,
  eventsAfter,
  type Promised,
  prepare,
  promised,
  stateOf,
  succeed,
} from "../../support/drive.ts";
import { makeWorld, pathIn, type World } from "../../support/world.ts";

const changes = promised.filter(({ route }) => route.method !== "GET");

describe("a change under a condition", () => {
  const conditional = promised.filter(({ row }) => row.conditional);

  /** The revision of the environment that a route's path names. */
  async function revisionAt(world: World): Promise<number> {
    const path = await pathIn(world, "/v3/accounts/:account/services/:service/environments/:environment");
    return (await call(environment, path, { token: world.account.admin })).revision;
  }

  test.for(conditional)(
    "is refused with another revision and changes nothing, and done with the present one: $name",
    async (of) => {
      const world = await makeWorld();
      const prepared = await prepare(world, of);
      const events = await allEvents(world);
      const before = await stateOf(world);
      const revision = await revisionAt(world);
      for (const stale of [revision - 1, revision + 1]) {
        const refused = await prepared.send({ headers: { "if-match": `"${stale}"` } });
        expect([refused.status, await refused.json()]).toMatchObject([
          412,
          { error: { code: "revision_conflict" } },
        ]);
      }
      expect(await stateOf(world)).toEqual(before);
      expect(await eventsAfter(world, events)).toEqual([]);
      await succeed(of, await prepared.send({ headers: { "if-match": `"${revision}"` } }));
    },
  );
});

describe("a plan", () => {
  test.for(promised.filter(({ row }) => row.plan))(
    "says what would be, and does nothing: $name",
    async (of) => {
      const world = await makeWorld();
      const prepared = await prepare(world, of);
      const events = await allEvents(world);
      const before = await stateOf(world);
      const answer = await prepared.send({ query: "?plan=true" });
      const text = await answer.text();
      expect([answer.status, text]).toEqual([200, text]);
      expect(plan.parse(JSON.parse(text))).toMatchObject({ environment: "staging", refusals: [] });
      for (const query of ["?plan=false", "?plan=", "?plan=true&plan=true"]) {
        expect((await prepared.send({ query })).status).toBe(400);
      }
      expect(await stateOf(world)).toEqual(before);
      expect(await eventsAfter(world, events)).toEqual([]);
      await succeed(of, await prepared.send());
    },
  );
});

describe("a request that is sent twice under one Idempotency-Key", () => {
  const once = promised.filter(({ row }) => row.repeated === "once");
  const keyed = { "idempotency-key": "the-same" };
  /** Where the record of the key lies: of another object's records a request knows nothing. */
  const objectOf = ({ route: { path } }: Promised) =>
    path === "/v3/accounts" ? "a new account" : path.includes(":service") ? "service" : "account";

  async function mismatch(answer: Response) {
    expect([answer.status, await answer.json()]).toMatchObject([
      422,
      { error: { code: "idempotency_mismatch" } },
    ]);
  }

  test.for(once)("acts once, and is answered as before: $name", async (of, { cluster }) => {
    const world = await makeWorld();
    const events = await allEvents(world);
    const spawns = cluster.of("backend.spawn").length;
    const prepared = await prepare(world, of);
    const first = await succeed(of, await prepared.send({ headers: keyed }));
    expect(await succeed(of, await prepared.send({ headers: keyed }))).toBe(first);
    expect(cluster.of("backend.spawn").length - spawns).toBeLessThanOrEqual(1);
    const left = await eventsAfter(world, events);
    const isElsewhere = of.route.path === "/v3/accounts";
    expect(left.map(({ type }) => type)).toEqual(of.row.leaves && !isElsewhere ? [of.row.leaves] : []);
  });

  test.for(once)("is refused with another body: $name", async (of) => {
    const prepared = await prepare(await makeWorld(), of);
    await succeed(of, await prepared.send({ headers: keyed }));
    await mismatch(await prepared.send({ headers: keyed, text: `${prepared.text} ` }));
  });

  /** For each route the others, and its own with another name in the path, that take its body too. */
  const pairs = once.flatMap((of) => [
    ...once
      .filter((other) => other !== of && objectOf(other) === objectOf(of))
      .filter((other) => other.route.body?.safeParse(of.row.json).success)
      .map((other) => ({ of, other, at: {}, title: `${of.name}, then ${other.name}` })),
    ...(of.route.path.includes(":environment")
      ? [{ of, other: of, at: { environment: "default" }, title: `${of.name} of another environment` }]
      : []),
    ...(of.route.path.includes(":cluster")
      ? [{ of, other: of, at: { cluster: "spare" }, title: `${of.name} of another cluster` }]
      : []),
  ]);

  test.for(pairs)("is another request at another path: $title", async ({ of, other, at }) => {
    const world = await makeWorld();
    const first = await prepare(world, of);
    await succeed(of, await first.send({ headers: keyed }));
    const second = await prepare(world, other, at);
    await mismatch(await second.send({ headers: keyed, text: first.text ?? "" }));
  });

  test("is another request by another method, path or body", async () => {
    const hashOf = async (method: string, path: string, body: string) => {
      const read = await readIdempotency(
        new Request(apiOrigin + path, { method, headers: keyed }),
        undefined,
        body,
      );
      return read.ok ? read.value?.requestHash : undefined;
    };
    const hashes = await Promise.all(
      ["POST", "PUT"].flatMap((method) =>
        ["/a", "/a/b"].flatMap((path) => ["{}", "{} "].map((body) => hashOf(method, path, body))),
      ),
    );
    expect(hashes).not.toContain(undefined);
    expect(new Set(hashes).size).toBe(8);
  });
});

describe("a change leaves its event, and no other", () => {
  test.for(changes)("$name", async (of) => {
    const world = await makeWorld();
    const prepared = await prepare(world, of);
    const events = await allEvents(world);
    await succeed(of, await prepared.send());
    const left = await eventsAfter(world, events);
    // A new account has events of its own.
    const isElsewhere = of.name === "POST /v3/accounts";
    expect(left.map(({ type }) => type)).toEqual(of.row.leaves && !isElsewhere ? [of.row.leaves] : []);
    const token = of.row.right === undefined ? world.account.admin : world.rightfulToken;
    const [tokenId] = token.split(".").flatMap((part) => part.split("_").at(-1) ?? []);
    const by = of.row.who === "root" ? undefined : tokenId;
    for (const { actor } of left) expect(actor?.token_id).toBe(by);
  });
});
