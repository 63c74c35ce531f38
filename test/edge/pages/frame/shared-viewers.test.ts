import { expect, onTestFinished, vi } from "vitest";
import { Service } from "../../../../src/objects/service/service.ts";
import { createToken } from "../../../support/worker/api.ts";
import { hiddenField, loggedIn } from "../../../support/worker/page-client.ts";
import { test } from "../../../support/worker/page-test.ts";

const viewers = 5;

test("many viewers of a page cost one rendering after many changes, and all see the last of them", async ({
  admin,
  hello,
}) => {
  const pages = await Promise.all(Array.from({ length: viewers }, () => admin.follow(hello.path)));
  await Promise.all(pages.map((page) => page.next()));
  const overview = vi.spyOn(Service.prototype, "overview");
  onTestFinished(() => overview.mockRestore());
  const before = Date.now();
  for (let change = 0; change < 10; change++) await hello.environment("v1", `shared-${change}`);
  await Promise.all(pages.map((page) => page.nextWith("shared-9")));
  const seconds = Math.ceil((Date.now() - before) / 1000);
  expect(overview.mock.calls.length).toBeLessThanOrEqual(seconds + 2);
});

test("many viewers of different pages of a service cost it no more, and who opens one does not wait for any of them", async ({
  admin,
  newService,
}) => {
  const { path, environment } = await newService("many-pages");
  const paths = ["range=1h", "range=6h", "range=24h", "range=7d", "range=30d"].map(
    (query) => `${path}?${query}`,
  );
  const pages = await Promise.all(paths.map((page) => admin.follow(page)));
  const overview = vi.spyOn(Service.prototype, "overview");
  onTestFinished(() => overview.mockRestore());
  const before = Date.now();
  for (let change = 0; change < 5; change++) await environment("v1", `seen-${change}`);
  const shown = Promise.all(pages.map((page) => page.nextWith("seen-4")));
  const visited = admin.visit(path);
  expect(await Promise.race([shown, visited])).toMatchObject({ html: expect.stringContaining("seen-4") });
  await shown;
  const seconds = Math.ceil((Date.now() - before) / 1000);
  expect(overview.mock.calls.length - 1).toBeLessThanOrEqual(seconds + 1);
});

test("a rendering is shared by those of one scope only, and each has forms of their own session", async ({
  account,
  newService,
}) => {
  const service = await newService("scopes");
  await service.environment("v1", "staging");
  const client = async (scope: { service?: string; environments?: string[] } = {}) =>
    loggedIn((await createToken(account, { role: "admin", ...scope })).secret_token);
  const [first, second] = await Promise.all([client(), client()]);
  const narrowed = await client({ service: "scopes", environments: ["prod"] });

  const withForms = "/clusters/main";
  const [own, other] = await Promise.all([first, second].map(({ follow }) => follow(withForms)));
  const [ownHtml, otherHtml] = [(await own?.next()) ?? "", (await other?.next()) ?? ""];
  const [ownToken, otherToken] = await Promise.all(
    [first, second].map(async ({ visit }) => hiddenField((await visit(withForms)).html, "csrf")),
  );
  expect(ownToken).not.toBe(otherToken);
  expect([hiddenField(ownHtml, "csrf"), hiddenField(otherHtml, "csrf")]).toEqual([ownToken, otherToken]);
  expect(ownHtml.replaceAll(`${ownToken}`, "")).toBe(otherHtml.replaceAll(`${otherToken}`, ""));

  const [all, some] = await Promise.all([first, narrowed].map(({ follow }) => follow(service.path)));
  expect(await all?.next()).toContain("staging");
  expect(await some?.next()).not.toContain("staging");
  await service.environment("v1", "secret-plans");
  await service.pin("v2", "a note for both");
  expect(await all?.nextWith("a note for both")).toContain("secret-plans");
  expect(await some?.nextWith("a note for both")).not.toMatch(/staging|secret-plans/);
});
