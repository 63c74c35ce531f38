import { describe, expect } from "vitest";
import { pages } from "../../../../src/edge/pages/pages.ts";
import { fillStorage } from "../../../support/worker/full-storage.ts";
import { hiddenField, loggedIn, pageClient } from "../../../support/worker/page-client.ts";
import { isolatedClusterTest as test } from "../../../support/worker/worker-test.ts";
import { stateOf } from "../../support/drive.ts";
import { formTable } from "../../support/form-table.ts";
import { makeWorld, pathIn } from "../../support/world.ts";

/** A webhook that is sent without anything to keep of it. */
const unwritten = ["ping", "redeliver"];

const forms = pages.flatMap(({ path, ...page }) =>
  Object.keys(("forms" in page && page.forms) || {}).flatMap((button) => {
    const row = formTable[`${path} ${button}`];
    return row?.does == null || unwritten.includes(button) ? [] : [{ path, button, row }];
  }),
);

const refusal = [503, "10", expect.stringContaining("storage is full")];

describe("while nothing can be written", () => {
  test.for(forms)("a form is refused and changes nothing: $path $button", async ({ path, button, row }) => {
    const world = await makeWorld();
    const client = loggedIn(world.account.admin);
    const page = await pathIn(world, path, row.at);
    const { fields = {} } = row;
    const filledIn = typeof fields === "function" ? await fields(world) : fields;
    const before = await stateOf(world);
    await fillStorage();
    const { status, headers, html } = await client.submit(page, button, {
      attempt: crypto.randomUUID(),
      ...filledIn,
    });
    expect([status, headers.get("retry-after"), html]).toEqual(refusal);
    expect(await stateOf(world)).toEqual(before);
  });

  test("a login is refused, and pages are shown to whoever is logged in", async () => {
    const { account } = await makeWorld();
    const client = pageClient();
    const csrf = hiddenField((await client.visit("/login")).html, "csrf");
    await fillStorage();
    const { status, headers, html } = await client.post("/login", { csrf, next: "", token: account.admin });
    expect([status, headers.get("retry-after"), html]).toEqual(refusal);
    expect((await loggedIn(account.admin).visit("/")).status).toBe(200);
  });
});
