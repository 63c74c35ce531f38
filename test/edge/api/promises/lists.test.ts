import { describe, expect } from "vitest";
import { z } from "zod";
import { listLimitMax } from "../../../../src/domain/limits.ts";
import { connectAnswer } from "../../../../src/protocol/jamsocket/v2.ts";
import { call, createCluster, createService, refusal, send } from "../../../support/worker/api.ts";
import { isolatedClusterTest as test } from "../../../support/worker/worker-test.ts";
import { eventsAfter, promised } from "../../support/drive.ts";
import { makeWorld, pathIn, type World } from "../../support/world.ts";

const lists = promised.flatMap(({ name, route, row: { paged } }) =>
  paged === undefined ? [] : [{ name, path: route.path, route, field: paged }],
);
const anything = z.looseObject({});
const cursorField = (cursor: string) => `&cursor=${encodeURIComponent(cursor)}`;

/** A world in which every list has at least three items. */
async function populousWorld(): Promise<World> {
  const world = await makeWorld();
  const { account } = world;
  const token = account.admin;
  const service = `/v3/accounts/${account.name}/services/hello`;
  const post = (path: string, json?: object) =>
    call(anything, path, { method: "POST", token, ...(json && { json }) });
  await createCluster(account, "third");
  for (const name of ["one", "two"]) {
    await createService(account, name);
    await pathIn(world, ":token_id/:session_id");
    await post(`${service}/environments`, { name, image: "v1" });
    await post(`${service}/images`, {
      digest: `sha256:${name.length}${name === "one" ? "1" : "2"}`.padEnd(71, "0"),
    });
    await call(anything, `${service}/environments/staging/pin`, {
      method: "PUT",
      token,
      json: { image: "v1" },
    });
    await call(connectAnswer, `/v2/service/${account.name}/hello/${name}/connect`, { token, json: {} });
  }
  await pathIn(world, ":token_id/:session_id");
  for (let i = 0; i < 3; i++) {
    await post(`/v3/accounts/${account.name}/clusters/main/test`);
    await post(`${service}/drains`, { before: "2029-01-01T00:00:00Z" });
    await pathIn(world, ":change");
  }
  await eventsAfter(world, []);
  return world;
}

const worldTest = test.extend("world", () => populousWorld());

describe("a list", () => {
  test("is paged if it takes a limit", () => {
    const limited = promised.flatMap(({ name, route, row }) => {
      const query = route.query?.toJSONSchema({ io: "input", unrepresentable: "any" }).properties ?? {};
      return "limit" in query !== (row.paged !== undefined) ? [name] : [];
    });
    expect(limited).toEqual([]);
  });

  worldTest.for(lists)(
    "gives all of it page by page, forward and back: $name",
    async ({ path, route, field }, { world }) => {
      const { admin: token } = world.account;
      const at = await pathIn(world, path);
      async function page(query: string) {
        const answer = await call(anything, `${at}?${query}`, { token });
        expect(route.answer?.safeParse(answer).error).toBeUndefined();
        const next = z.string().optional().parse(answer.next_cursor);
        const previous = z.string().optional().parse(answer.previous_cursor);
        return { items: z.array(z.unknown()).parse(answer[field]), next, previous };
      }
      const all = await page(`limit=${listLimitMax}`);
      expect(all.items.length).toBeGreaterThanOrEqual(3);
      expect([all.next, all.previous]).toEqual([undefined, undefined]);
      for (const limit of [1, 2]) {
        const walked: Awaited<ReturnType<typeof page>>[] = [];
        let cursor = "";
        for (;;) {
          const shown = await page(`limit=${limit}${cursor}`);
          expect(shown.items.length).toBeLessThanOrEqual(limit);
          walked.push(shown);
          if (shown.next === undefined) break;
          cursor = cursorField(shown.next);
        }
        expect(walked.flatMap(({ items }) => items)).toEqual(all.items);
        // Back again: each page as it was.
        const last = walked.at(-1);
        const back = last ? [last] : [];
        for (let at = last?.previous; at !== undefined; at = back[0]?.previous) {
          back.unshift(await page(`limit=${limit}${cursorField(at)}`));
        }
        expect(back).toEqual(walked);
      }
    },
  );

  worldTest.for(lists)(
    "refuses limits and cursors that it did not give: $name",
    async ({ path }, { world }) => {
      const { admin: token } = world.account;
      const at = await pathIn(world, path);
      for (const query of ["limit=0", `limit=${listLimitMax + 1}`, "limit=x", "cursor=!", "page=2"]) {
        const { status, code } = await refusal(`${at}?${query}`, { token });
        expect([query, status, code]).toEqual([query, 400, "bad_request"]);
      }
      expect((await send(at, { token })).status).toBe(200);
    },
  );
});
