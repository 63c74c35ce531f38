import type { Locator, Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { pushImage } from "../../../src/local/push-image.ts";
import { environment, pinAnswer } from "../../../src/protocol/v3/services.ts";
import { connectToDemo } from "../../support/api.ts";
import type { Window } from "../../support/browser/browser.ts";
import { usePages } from "../../support/browser/page-tests.ts";
import { talkativeImage } from "../../support/docker/talkative-image.ts";
import { shown, succeeding } from "../../support/jamsocket.ts";

const { api, jamsocket, local, open } = usePages();

const demo = "/v3/accounts/demo/services/hello-world";
const service = "/service/demo/hello-world";

function environmentOf(name: string) {
  return api(environment, `${demo}/environments/${name}`);
}

function pin(name: string, image: string) {
  return api(pinAnswer, `${demo}/environments/${name}/pin`, { method: "PUT", json: { image } });
}

/** A page that is never reloaded or clicked, so that all changes on it were streamed. */
async function watch(path: string): Promise<Window & { expectNotReloaded(): Promise<void> }> {
  const window = await open(path);
  await window.page.evaluate("window.isUntouched = true");
  return {
    ...window,
    async expectNotReloaded() {
      expect(await window.page.evaluate("window.isUntouched")).toBe(true);
      expect(window.complaints).toEqual([]);
    },
  };
}

/** What a list of facts says of one of them. */
function fact(within: Page | Locator, name: string): Locator {
  return within.locator(`dt:text-is("${name}") + dd`);
}

function card(page: Page, name: string): Locator {
  return page.getByRole("article").filter({ has: page.getByRole("heading", { name }) });
}

describe("pins", () => {
  test("of all environments are shown beside each other, on the services' page and on the service's", async () => {
    await pin("staging", "v2");
    await pin("prod", "v1");
    const { page } = await open("/");
    for (const [name, image] of [
      ["staging", "v2"],
      ["prod", "v1"],
    ] as const) {
      const { digest } = await environmentOf(name);
      const row = page.getByRole("row").filter({ has: page.getByRole("link", { name, exact: true }) });
      expect(await row.textContent()).toContain(image);
      await row.getByTitle(digest ?? "none").waitFor();
    }
    await page.getByRole("link", { name: "hello-world", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "hello-world" }).waitFor();
    expect(await fact(card(page, "staging"), "Pinned to").textContent()).toMatch(/^v2, revision \d+$/);
    expect(await fact(card(page, "prod"), "Pinned to").textContent()).toMatch(/^v1, revision \d+$/);
  });

  test("changed by the picker, which first shows what would change, are seen at once in other windows", async () => {
    await pin("staging", "v2");
    const [before, prod] = [await environmentOf("staging"), await environmentOf("prod")];
    const watched = [await watch("/"), await watch(service), await watch(`${service}/environment/staging`)];

    const { page, complaints } = await open(`${service}/environment/staging`);
    await page.getByRole("combobox").first().selectOption("v1");
    await page.getByRole("button", { name: "Show what would change" }).click();
    const change = page.getByRole("region", { name: "What changes" });
    const [pinned, run] = [change.getByRole("row", { name: "Pinned to" }), change.getByRole("row").last()];
    expect(await pinned.getByRole("cell").allInnerTexts()).toEqual(["v2", "v1"]);
    for (const digest of [before.digest, prod.digest]) await run.getByTitle(digest ?? "none").waitFor();
    expect((await environmentOf("staging")).revision).toBe(before.revision);

    await page.getByLabel("Note, for the history").fill("seen elsewhere");
    await page.getByRole("button", { name: "Pin staging to v1" }).click();
    await page
      .getByRole("status")
      .filter({ hasText: "staging is pinned to v1 now; before it was v2" })
      .waitFor();
    expect(await environmentOf("staging")).toMatchObject({ image: "v1", digest: prod.digest });

    const [services, ofService, ofEnvironment] = watched.map((window) => window.page);
    if (!services || !ofService || !ofEnvironment) throw new Error("not all windows are open");
    await services
      .getByRole("row")
      .filter({ has: services.getByRole("link", { name: "staging", exact: true }), hasText: "v1" })
      .waitFor();
    await fact(card(ofService, "staging"), "Pinned to").filter({ hasText: "v1" }).waitFor();
    await fact(ofEnvironment, "Pinned to").filter({ hasText: "v1" }).waitFor();
    for (const window of watched) await window.expectNotReloaded();
    expect(complaints).toEqual([]);
  });

  test("that somebody else has changed meanwhile are not overwritten by a page that does not know it", async () => {
    await pin("prod", "v1");
    const { page } = await open(`${service}/environment/prod?image=v2`);
    const { revision: newer } = await pin("prod", "latest");
    await fact(page, "Pinned to").filter({ hasText: "latest" }).waitFor();
    await page.getByRole("button", { name: "Pin prod to v2" }).click();
    await page
      .getByRole("alert")
      .filter({ hasText: String(newer) })
      .waitFor();
    expect(await environmentOf("prod")).toMatchObject({ image: "latest", revision: newer });
    await pin("prod", "v1");
  });
});

describe("what happens", () => {
  test("a spawn by the Jamsocket CLI appears on the service's page by itself", async () => {
    const window = await watch(service);
    const output = await succeeding(await jamsocket(), "connect", "hello-world/prod", "--key", "seen-live");
    const id = shown(output, "backend id");
    const row = window.page.getByRole("row").filter({ hasText: id });
    await row.filter({ hasText: "seen-live" }).waitFor();
    await row.getByText("ready").waitFor();
    await window.expectNotReloaded();
  });

  test("what the visitor is typing stays while the page around it changes", async () => {
    const window = await watch(`${service}/environment/prod?image=v2`);
    const note = window.page.getByLabel("Note, for the history");
    await note.fill("half a sent");
    const live = fact(window.page, "Live");
    const before = await live.innerText();
    await connectToDemo(local(), "prod");
    await live.filter({ hasNotText: before }).waitFor();
    await window.page.keyboard.type("ence");
    expect(await note.inputValue()).toBe("half a sentence");
    const { revision } = await pin("prod", "v1");
    const pinned = window.page
      .getByRole("row")
      .filter({ has: window.page.getByRole("rowheader", { name: `${revision}`, exact: true }) });
    await pinned.waitFor();
    expect(await note.inputValue()).toBe("half a sentence");
    await window.expectNotReloaded();
  });

  test("a pin appears among the events by itself, with who has set it", async () => {
    const window = await watch("/events");
    const { revision } = await pin("staging", "latest");
    await window.page
      .getByRole("row")
      .filter({ hasText: "staging" })
      .filter({ hasText: "latest" })
      .first()
      .waitFor();
    expect(revision).toBeGreaterThan(1);
    await window.expectNotReloaded();
  });
});

describe("the page of a backend", () => {
  test("shows by itself that the backend ends and has ended, and then offers no termination", async () => {
    const { backend_id: id } = await connectToDemo(local(), "prod", { key: "watched" });
    const window = await watch(`/backend/${id}`);
    await fact(window.page, "Status").filter({ hasText: "ready" }).waitFor();
    await succeeding(await jamsocket(), "terminate", id);
    await fact(window.page, "Status").filter({ hasText: "terminated" }).waitFor();
    await fact(window.page, "How it ended").waitFor();
    await window.page.getByRole("listitem").filter({ hasText: "terminating" }).waitFor();
    await window.page.getByRole("heading", { name: "End it" }).waitFor({ state: "detached" });
    await window.expectNotReloaded();
  });

  test("ends it after a confirmation, and shows its end", async () => {
    const { backend_id: id } = await connectToDemo(local(), "prod");
    const { page, complaints } = await open(`/backend/${id}`);
    const button = page.getByRole("button", { name: `Terminate ${id}`, exact: true });
    expect(await button.isVisible()).toBe(false);
    await page.getByText("Terminate", { exact: true }).click();
    await button.click();
    await page.getByText(`Backend ${id} was told to end`).waitFor();
    await fact(page, "Status").filter({ hasText: "terminated" }).waitFor();
    expect(complaints).toEqual([]);
  });

  test("shows what the backend has printed, and each line that it prints while the page is open", async () => {
    const { api_url: apiUrl, account, token } = local();
    await pushImage({ apiUrl, account, service: "hello-world", token }, talkativeImage(), ["talkative"]);
    const { backend_id: id, url } = await connectToDemo(local(), "staging", {
      spawn: { tag: "talkative", executable: { env: { SAYS: "first line\nsecond line" } } },
    });
    const window = await watch(`/backend/${id}`);
    const log = window.page.getByRole("region", { name: "Newest output" });
    await log.getByText("first line").waitFor();
    await log.getByText("second line").waitFor();
    for (const word of ["one", "two"]) {
      await fetch(new URL(word, url));
      await log.getByText(`asked for /${word}`).waitFor();
    }
    const lines = (await log.innerText()).trim().split("\n");
    expect(lines.slice(0, 2)).toEqual(["first line", "second line"]);
    expect(lines.slice(-2)).toEqual(["asked for /one", "asked for /two"]);
    await window.expectNotReloaded();
  });

  test("shows what the backend uses, measured anew while the page is open", async () => {
    const { backend_id: id } = await connectToDemo(local(), "staging");
    const window = await watch(`/backend/${id}`);
    const usage = window.page.getByRole("region", { name: "CPU and memory" });
    await usage.getByText("Live.").waitFor();
    await usage.getByText(/^2 measurements/).waitFor();
    expect(await usage.getByRole("row", { name: "Memory" }).innerText()).toMatch(/\d MB/);
    await window.expectNotReloaded();
  });
});
