import { describe, expect } from "vitest";
import { pages } from "../../../../src/edge/pages/pages.ts";
import { loggedIn } from "../../../support/worker/page-client.ts";
import { isolatedClusterTest as test } from "../../../support/worker/worker-test.ts";
import { allEvents, eventsAfter, stateOf } from "../../support/drive.ts";
import { formTable } from "../../support/form-table.ts";
import { table } from "../../support/route-table.ts";
import { makeWorld, pathIn, type World } from "../../support/world.ts";

const forms = pages.flatMap((page) =>
  Object.entries(("forms" in page && page.forms) || {}).flatMap(([button, form]) => {
    const name = `${page.path} ${button}`;
    const row = formTable[name];
    const route = row?.does == null ? undefined : table[row.does];
    return row ? [{ name, path: page.path, button, form, row, route }] : [];
  }),
);
const doing = forms.flatMap(({ route, ...form }) => (route ? [{ ...form, route }] : []));
const once = doing.filter(({ route }) => route.repeated === "once");
const conditional = doing.filter(({ route }) => route.conditional);

type Form = (typeof doing)[number];

/** A form that is filled in, as often as it is sent. */
async function fillIn(world: World, { path, button, row: { at, fields = {} }, route }: Form) {
  const client = loggedIn(world.account.admin);
  const page = await pathIn(world, path, at);
  const own = typeof fields === "function" ? await fields(world) : fields;
  const attempt: Record<string, string> = route.repeated === "once" ? { attempt: crypto.randomUUID() } : {};
  return (change: Record<string, string> = {}) =>
    client.submit(page, button, { ...own, ...attempt, ...change });
}

describe("the table of forms", () => {
  test("has a row for every form of every page, and none for others", () => {
    const names = pages.flatMap((page) =>
      Object.keys(("forms" in page && page.forms) || {}).map((button) => `${page.path} ${button}`),
    );
    expect(Object.keys(formTable).sort()).toEqual(names.sort());
  });

  test("names routes that there are, each with the right that it needs", () => {
    const named = Object.values(formTable).flatMap(({ does }) => does ?? []);
    expect(named.filter((name) => !table[name])).toEqual([]);
    for (const { form, route } of doing) expect(form.action).toBe(route.who);
  });

  test("says of every form of a conditional route which field has the revision", () => {
    for (const { row, route } of doing) expect(row.revision !== undefined).toBe(route.conditional ?? false);
  });
});

describe("a form", () => {
  test.for(doing)("leaves the event of its route, and no other: $name", async (form) => {
    const world = await makeWorld();
    const submit = await fillIn(world, form);
    const events = await allEvents(world);
    expect((await submit()).status).toBeLessThan(400);
    const left = await eventsAfter(world, events);
    expect(left.map(({ type }) => type)).toEqual(form.route.leaves ? [form.route.leaves] : []);
  });

  test.for(once)("that is sent twice acts once, and is answered as before: $name", async (form) => {
    const world = await makeWorld();
    const submit = await fillIn(world, form);
    const events = await allEvents(world);
    const secrets = ({ html }: { html: string }) => html.match(/[\w-]+\.[\w-]{43}|whsec_[\w+/=]+/g);
    const first = await submit();
    expect(first.status).toBe(200);
    expect(secrets(first)).not.toBeNull();
    expect(secrets(await submit())).toEqual(secrets(first));
    expect((await eventsAfter(world, events)).map(({ type }) => type)).toEqual([form.route.leaves]);
    expect((await submit({ attempt: "" })).status).toBe(400);
  });

  test.for(conditional)("with another revision is refused and changes nothing: $name", async (form) => {
    const world = await makeWorld();
    const submit = await fillIn(world, form);
    const events = await allEvents(world);
    const before = await stateOf(world);
    expect((await submit({ [form.row.revision ?? ""]: "7" })).status).toBe(412);
    expect(await stateOf(world)).toEqual(before);
    expect(await eventsAfter(world, events)).toEqual([]);
  });
});
