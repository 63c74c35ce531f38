import { describe, expect } from "vitest";
import { apiBodyMaxBytes } from "../../../../src/domain/limits.ts";
import { routes } from "../../../../src/edge/api/routes.ts";
import { sseHeaders } from "../../../../src/protocol/sse.ts";
import { isolatedClusterTest as test } from "../../../support/worker/worker-test.ts";
import { type Promised, prepare, promised, stateOf, succeed } from "../../support/drive.ts";
import { table } from "../../support/route-table.ts";
import { makeWorld, type World } from "../../support/world.ts";

/** What only looks shares one world, which nothing changes. */
let looked: Promise<World> | undefined;

function worldFor({ route }: Promised): Promise<World> {
  if (route.method !== "GET") return makeWorld();
  looked ??= makeWorld();
  return looked;
}

const output = () => new Response("data: {}\n\n", { headers: sseHeaders });

describe("the table of promises", () => {
  test("has a row for every route, and none for others", () => {
    const names = routes.map(({ method, path }) => `${method} ${path}`);
    expect(Object.keys(table).sort()).toEqual([...names].sort());
    expect(names.length).toBe(new Set(names).size);
  });

  test.for(promised)("says what $name declares", ({ route, row }) => {
    expect(route.conditional ?? false).toBe(row.conditional ?? false);
    expect(route.plannable ?? false).toBe(row.plan ?? false);
    expect(route.idempotent ?? false).toBe(row.repeated === "once");
    expect(route.body !== undefined).toBe(row.json !== undefined);
    expect(route.bodyMaxBytes).toBe(row.maxBytes);
  });

  test("says of every POST what a repetition does, and of every change what it leaves", () => {
    const silent = promised.filter(
      ({ route: { method }, row }) =>
        (method === "POST") !== (row.repeated !== undefined) ||
        (method !== "GET") !== (row.leaves !== undefined),
    );
    expect(silent.map(({ name }) => name)).toEqual([]);
  });

  test("says of every list how its length is bounded", () => {
    const unbounded = promised.filter(({ route, row }) => {
      const schema = route.answer?.toJSONSchema({ io: "output", unrepresentable: "any" });
      const named = schema?.$defs?.[schema.$ref?.split("/").at(-1) ?? ""];
      const isList = Object.values((named ?? schema)?.properties ?? {}).some(
        (field) => typeof field === "object" && field.type === "array",
      );
      return route.method === "GET" && isList !== (row.paged !== undefined || row.whole !== undefined);
    });
    expect(unbounded.map(({ name }) => name)).toEqual([]);
  });

  test("has every change conditional that is of something with a revision", () => {
    const revised = new Set(
      promised.flatMap(({ route: { method, path }, row }) =>
        method === "GET" || !row.conditional ? [] : [path],
      ),
    );
    const changes = promised.filter(({ route: { method, path } }) => method !== "GET" && revised.has(path));
    expect(changes.every(({ row }) => row.conditional)).toBe(true);
  });
});

describe("a request as its row has it", () => {
  test.for(promised)("succeeds: $name", async (of, { cluster }) => {
    cluster.alwaysStreams(output);
    const prepared = await prepare(await worldFor(of), of);
    const text = await succeed(of, await prepared.send());
    if (of.route.answer) expect(of.route.answer.safeParse(JSON.parse(text)).error).toBeUndefined();
  });

  test.for(promised.filter(({ row }) => !row.plan))(
    "is refused with a `plan`, which the route does not take, and changes nothing: $name",
    async (of) => {
      const world = await worldFor(of);
      const prepared = await prepare(world, of);
      const before = await stateOf(world);
      for (const query of ["?plan=true", "?plan=false", "?plan", "?plan=true&plan=true", "?%70lan=true"]) {
        const refused = await prepared.send({ query });
        expect([query, refused.status, await refused.json()]).toMatchObject([
          query,
          400,
          { error: { code: "bad_request", message: expect.stringContaining("does not take `plan`") } },
        ]);
      }
      expect(await stateOf(world)).toEqual(before);
    },
  );

  test.for(promised.filter(({ route }) => route.body))(
    "is read up to its limit, and refused above that: $name",
    async (of) => {
      const world = await makeWorld();
      const prepared = await prepare(world, of);
      const max = of.row.maxBytes ?? apiBodyMaxBytes;
      const before = await stateOf(world);
      const tooLarge = await prepared.send({ text: (prepared.text ?? "").padEnd(max + 1) });
      expect([tooLarge.status, await tooLarge.json()]).toMatchObject([
        413,
        { error: { code: "payload_too_large" } },
      ]);
      expect(await stateOf(world)).toEqual(before);
      await succeed(of, await prepared.send({ text: (prepared.text ?? "").padEnd(max) }));
    },
  );
});
