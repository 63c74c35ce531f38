import { describe, expect } from "vitest";
import { pages } from "../../../../src/edge/pages/pages.ts";
import { sseHeaders } from "../../../../src/protocol/sse.ts";
import { createToken } from "../../../support/worker/api.ts";
import { loggedIn } from "../../../support/worker/page-client.ts";
import { isolatedClusterTest as test } from "../../../support/worker/worker-test.ts";
import { formTable } from "../../support/form-table.ts";
import {
  cluster,
  environment,
  fields,
  hiddenFrom,
  makeNarrowedWorld,
  type NarrowedWorld,
  type Narrowing,
  outsideOf,
  scopes,
  service,
} from "../../support/narrowed-world.ts";
import { pathIn } from "../../support/world.ts";

const narrowings: Narrowing[] = ["an environment", "a service"];
const output = () => new Response("data: {}\n\n", { headers: sseHeaders });

/** What only looks shares one world, which nothing changes. */
let looked: Promise<NarrowedWorld> | undefined;

describe.for(narrowings)("a visitor narrowed to %s", (narrowing) => {
  test.for(pages.map(({ path }) => ({ path })))(
    "reads nothing outside on the page $path",
    async ({ path }, { cluster: scripted }) => {
      scripted.alwaysStreams(output);
      looked ??= makeNarrowedWorld();
      const world = await looked;
      const { secret_token: token } = await createToken(world.account, {
        role: "admin",
        ...scopes[narrowing],
      });
      const visitor = loggedIn(token);
      const ids = [world.ownBackend, ...Object.values(world.hiddenBackends)];
      const environments = ["staging", environment];
      for (const id of path.includes(":id") ? ids : [world.ownBackend]) {
        for (const name of path.includes(":environment") ? environments : ["staging"]) {
          const page = await pathIn(world, path, { id, environment: name });
          const response = await visitor.send(page);
          const html = response.headers.get("content-type")?.startsWith("text/event-stream")
            ? await firstOf(response)
            : await response.text();
          const read = hiddenFrom(narrowing, world).filter(
            (hidden) => html.includes(hidden) && !page.includes(hidden),
          );
          expect([page, response.status, read]).toEqual([page, response.status, []]);
        }
      }
    },
  );
});

describe.for(narrowings)("the forms of a visitor narrowed to %s", (narrowing) => {
  const named = Object.entries(formTable).map(([name, row]) => ({ name, row }));

  test.for(named)("read and change nothing outside: $name", async ({ name, row }) => {
    const world = await makeNarrowedWorld();
    const { secret_token: token } = await createToken(world.account, { role: "admin", ...scopes[narrowing] });
    const [path = "", button = ""] = name.split(" ");
    const ids = hiddenFrom(narrowing, world).filter((id) => Object.values(world.hiddenBackends).includes(id));
    const own = { id: world.ownBackend, ...row.at };
    const filled = typeof row.fields === "function" ? await row.fields(world) : row.fields;
    const outside = Object.entries(fields).flatMap(([field, values]) => {
      const value = values?.[narrowing] ?? null;
      return filled && field in filled && value !== null ? [{ [field]: `${value}` }] : [];
    });
    const attempts = [
      ...ids.map((id) => ({ at: { ...own, id }, change: {} })),
      ...[{ service }, { cluster }].map((at) => ({ at: { ...own, ...at }, change: {} })),
      ...(narrowing === "a service" ? [] : [{ at: { ...own, environment }, change: {} }]),
      ...outside.map((change) => ({ at: own, change })),
      { at: own, change: {} },
    ];
    const before = await outsideOf(world, narrowing);
    for (const { at, change } of attempts) {
      const page = await pathIn(world, path, at);
      const sent = { attempt: crypto.randomUUID(), ...filled, ...change };
      const { html, status } = await loggedIn(token).submit(page, button, sent);
      const said = `${page} ${JSON.stringify(sent)}`;
      const read = hiddenFrom(narrowing, world).filter(
        (hidden) => html.includes(hidden) && !said.includes(hidden),
      );
      expect([page, change, status, read]).toEqual([page, change, status, []]);
    }
    expect(await outsideOf(world, narrowing)).toEqual(before);
  });
});

/** What a stream sends first. */
async function firstOf(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const first = await reader?.read();
  await reader?.cancel();
  return new TextDecoder().decode(first?.value);
}
