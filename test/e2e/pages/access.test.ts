import { beforeAll, describe, expect, test } from "vitest";
import { backendAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { environment } from "../../../src/protocol/v3/services.ts";
import { connectToDemo } from "../../support/api.ts";
import { axeFindings, overhang, tabTo } from "../../support/browser/accessibility.ts";
import { laptop, phone } from "../../support/browser/browser.ts";
import { type LivelyPage, liven } from "../../support/browser/lively-demo.ts";
import { usePages } from "../../support/browser/page-tests.ts";

const tests = usePages();
const { api, local, openWindow, url } = tests;

const demo = "/v3/accounts/demo/services/hello-world";

let pages: LivelyPage[] = [];
beforeAll(async () => {
  if (tests.whyNot === null) pages = await liven(tests);
});

describe("every page, with data and without", () => {
  test.each([
    { on: "a laptop", size: laptop, colorScheme: "light" },
    { on: "a laptop", size: laptop, colorScheme: "dark" },
    { on: "a phone", size: phone, colorScheme: "light" },
    { on: "a phone", size: phone, colorScheme: "dark" },
  ] as const)(
    "has no fault that axe-core finds, and nothing beside the window, on $on, $colorScheme",
    async (how) => {
      const { page, context, complaints } = await openWindow(how);
      const faults: Record<string, unknown> = {};
      for (const { name, path, token } of pages) {
        await context.clearCookies();
        if (token !== null) {
          await context.addCookies([{ name: "slipway_session", value: token, url: url("/") }]);
        }
        await page.goto(url(path));
        // Each is opened, so that what it holds is looked at too.
        await page.locator("details").evaluateAll((all) => {
          for (const one of all) one.setAttribute("open", "");
        });
        const found = await axeFindings(page);
        const beside = await overhang(page);
        if (found.length > 0 || beside > 0) faults[name] = { found, beside };
      }
      expect(faults).toEqual({});
      // The browser's own word for the page that is not found.
      expect(complaints.filter((text) => !text.includes("status of 404"))).toEqual([]);
    },
  );

  test("has a title of its own, one first heading, and no level of headings left out", async () => {
    const { page, context } = await openWindow();
    const titles = new Map<string, string>();
    for (const { name, path, token } of pages) {
      await context.clearCookies();
      if (token !== null) {
        await context.addCookies([{ name: "slipway_session", value: token, url: url("/") }]);
      }
      await page.goto(url(path));
      titles.set(name, await page.title());
      const levels = await page
        .locator("h1, h2, h3, h4, h5, h6")
        .evaluateAll((headings) => headings.map(({ tagName }) => Number(tagName.slice(1))));
      expect([name, levels.filter((level) => level === 1)]).toEqual([name, [1]]);
      const jumps = levels.filter((level, i) => level > (levels[i - 1] ?? 0) + 1);
      expect([name, jumps]).toEqual([name, []]);
    }
    expect([...titles].filter(([, title]) => !title.endsWith(" · Slipway"))).toEqual([]);
  });
});

describe("with the keyboard alone", () => {
  test("one logs in, finds an environment, chooses an image, and pins it, and always sees the focus", async () => {
    const { page } = await openWindow();
    await page.goto(url("/login"));
    await tabTo(page, page.getByLabel("Access token"));
    await page.keyboard.insertText(local().token);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "Services" }).waitFor();

    await tabTo(page, page.getByRole("link", { name: "prod", exact: true }).first());
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "prod" }).waitFor();

    const picker = page.getByRole("combobox").first();
    await tabTo(page, picker);
    await page.keyboard.type("v2");
    expect(await picker.inputValue()).toBe("v2");
    await tabTo(page, page.getByRole("button", { name: "Show what would change" }));
    await page.keyboard.press("Enter");
    const pin = page.getByRole("button", { name: "Pin prod to v2" });
    await pin.waitFor();
    await tabTo(page, page.getByLabel("Note, for the history"));
    await page.keyboard.type("by keyboard");
    await tabTo(page, pin);
    await page.keyboard.press("Enter");
    await page.getByRole("status").filter({ hasText: "prod is pinned to v2 now" }).waitFor();
    expect((await api(environment, `${demo}/environments/prod`)).image).toBe("v2");
  });

  test("one skips what is above the content with the first key", async () => {
    const { page, context } = await openWindow();
    await context.addCookies([{ name: "slipway_session", value: local().token, url: url("/") }]);
    await page.goto(url("/"));
    await tabTo(page, page.getByRole("link", { name: "Skip to the content" }));
    await page.keyboard.press("Enter");
    expect(await page.locator("main:focus").count()).toBe(1);
  });
});

describe("without scripts", () => {
  test("one logs in, changes a pin, terminates a backend, and logs out", async () => {
    const { backend_id: id } = await connectToDemo(local(), "prod");
    const { page } = await openWindow({ scripts: false, size: phone });
    await page.goto(url("/service/demo/hello-world/environment/staging"));
    await page.getByLabel("Access token").fill(local().token);
    await page.getByRole("button", { name: "Log in" }).click();

    await page.getByRole("combobox").first().selectOption("v1");
    await page.getByRole("button", { name: "Show what would change" }).click();
    await page.getByRole("button", { name: "Pin staging to v1" }).click();
    await page.getByRole("status").filter({ hasText: "staging is pinned to v1 now" }).waitFor();
    expect((await api(environment, `${demo}/environments/staging`)).image).toBe("v1");

    await page.goto(url(`/backend/${id}`));
    await page.getByText("Terminate hard", { exact: true }).click();
    await page.getByRole("button", { name: `Terminate ${id} hard` }).click();
    await page.getByText(`Backend ${id} was told to stop at once.`).waitFor();
    await expect
      .poll(async () => (await api(backendAnswer, `/v2/backend/${id}`)).statuses.at(-1)?.status)
      .toBe("terminated");
    await page.goto(url(`/backend/${id}`));
    await page.getByText("terminated", { exact: true }).first().waitFor();

    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByRole("heading", { level: 1, name: "Log in" }).waitFor();
  });
});
