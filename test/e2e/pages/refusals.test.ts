import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { pushImage } from "../../../src/local/push-image.ts";
import { backendAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { environment, pinAnswer } from "../../../src/protocol/v3/services.ts";
import { call, connectToDemo } from "../../support/api.ts";
import { usePages } from "../../support/browser/page-tests.ts";
import { talkativeImage } from "../../support/docker/talkative-image.ts";

const { api, createAccount, createToken, local, open, openAs, openWindow, url } = usePages();

const demo = "/v3/accounts/demo/services/hello-world";
const service = "/service/demo/hello-world";
const staging = `${service}/environment/staging`;

async function revisionOf(name: string): Promise<number> {
  return (await api(environment, `${demo}/environments/${name}`)).revision;
}

async function statusOf(backendId: string) {
  return (await api(backendAnswer, `/v2/backend/${backendId}`)).statuses.at(-1)?.status;
}

describe("a token without the right", () => {
  test.each([
    { role: "read", service: undefined, environments: undefined, why: "role `read`" },
    { role: "spawn", service: undefined, environments: undefined, why: "role `spawn`" },
    { role: "deploy", service: "hello-world", environments: ["prod"], why: "environments `prod`" },
  ] as const)("($why) is refused a pin with the reason, and nothing changes", async ({ role, ...scope }) => {
    const { why, service: only, environments } = scope;
    const token = await createToken({
      role,
      ...(only === undefined ? {} : { service: only }),
      ...(environments === undefined ? {} : { environments: [...environments] }),
    });
    const before = await revisionOf("staging");
    // The form of a visitor who may is sent by one who may not.
    const { page, context } = await open(`${staging}?image=v1`);
    await context.addCookies([{ name: "slipway_session", value: token, url: url("/") }]);
    const foreign = await openAs(token, service);
    const csrf = await foreign.page.locator("input[name=csrf]").first().inputValue();
    await page
      .getByRole("form", { name: "Pin" })
      .locator("input[name=csrf]")
      .evaluate((field, value) => field.setAttribute("value", value), csrf);
    await page.getByRole("button", { name: "Pin staging to v1" }).click();
    const shown = page.getByRole("alert").or(page.getByRole("heading", { level: 1, name: "Not allowed" }));
    await shown.waitFor();
    expect(await page.getByRole("main").textContent()).toContain(why);
    expect(await revisionOf("staging")).toBe(before);
  });

  test("sees that it cannot end a backend instead of the button, and its form is refused", async () => {
    const { backend_id: id } = await connectToDemo(local(), "prod");
    const token = await createToken({ role: "deploy" });
    const { page, context, complaints } = await openAs(token, `/backend/${id}`);
    expect(await page.getByRole("region", { name: "End it" }).textContent()).toContain(
      "a token with the role `deploy` may not do this; it needs `admin` or `spawn`",
    );
    expect(await page.getByRole("button", { name: /^Terminate/ }).count()).toBe(0);
    expect(complaints).toEqual([]);

    const csrf = await page.locator("input[name=csrf]").first().inputValue();
    const form = { csrf, do: "terminate-hard" };
    const answer = await context.request.post(url(`/backend/${id}`), { form });
    expect(answer.status()).toBe(403);
    expect(await statusOf(id)).toBe("ready");
  });
});

describe("another account", () => {
  test("finds none of the pages: they are no others than those that do not exist", async () => {
    const stranger = await createAccount("strangers");
    const { backend_id: id } = await connectToDemo(local(), "prod");
    const { page } = await openAs(stranger, "/");
    const mainText = async (path: string) => {
      const answer = await page.goto(url(path));
      return { status: answer?.status(), text: await page.getByRole("main").textContent() };
    };
    const { digest } = await api(environment, `${demo}/environments/prod`);
    const paths = [
      service,
      staging,
      `${service}/images`,
      `${service}/images/${digest}`,
      `${service}/backends`,
    ];
    for (const path of paths) {
      const { status, text } = await mainText(path);
      expect([path, status]).toEqual([path, 404]);
      const unknown = await mainText(path.replace("/demo/", "/nobody/"));
      expect(text?.replace("demo", "nobody")).toBe(unknown.text);
    }
    const unknown = "zzzzz00000000";
    for (const path of ["", "/log.txt", "/live/log", "/live/usage"]) {
      const { status, text } = await mainText(`/backend/${id}${path}`);
      expect([path, status]).toEqual([path, 404]);
      expect(text?.replace(id, unknown)).toBe((await mainText(`/backend/${unknown}${path}`)).text);
    }
    expect((await page.goto(url("/clusters/local-prod")))?.status()).toBe(404);
    await page.goto(url("/"));
    expect(await page.content()).not.toContain("hello-world");
  });
});

describe("a form", () => {
  test("without the token of its session, or with that of another, changes nothing", async () => {
    const before = await revisionOf("staging");
    const { context, page } = await open(`${staging}?image=v1`);
    const other = await openAs(await createToken({ role: "admin" }), staging);
    const foreign = await other.page.locator("input[name=csrf]").first().inputValue();
    const fields = { do: "pin", image: "v1", revision: String(before) };
    for (const csrf of [undefined, "", foreign]) {
      const form = { ...fields, ...(csrf === undefined ? {} : { csrf }) };
      const answer = await context.request.post(url(staging), { form, maxRedirects: 0 });
      expect(answer.status()).toBe(403);
      expect(await answer.text()).toContain("This form was not made for this session");
      expect(await revisionOf("staging")).toBe(before);
    }
    const csrf = await page.locator("input[name=csrf]").first().inputValue();
    const own = await context.request.post(url(staging), { form: { ...fields, csrf }, maxRedirects: 0 });
    expect(own.status()).toBe(303);
    expect(await revisionOf("staging")).toBe(before + 1);
  });

  test("of a visitor who is not logged in leads to the login and changes nothing", async () => {
    const before = await revisionOf("prod");
    const { context } = await openWindow();
    const path = `${service}/environment/prod`;
    const form = { do: "pin", image: "v2", revision: String(before) };
    const answer = await context.request.post(url(path), { form, maxRedirects: 0 });
    expect([answer.status(), answer.headers().location]).toEqual([303, "/login"]);
    expect(await revisionOf("prod")).toBe(before);
  });
});

const markup = `<script>window.broken=1</script><img src=x onerror="window.broken=1">`;

/** That a text stands on the page as it is, and that nothing of it has become a part of the page. */
async function expectShownAsText(page: Page, text: string): Promise<void> {
  await page.getByText(text).first().waitFor();
  expect(await page.locator("main script, main img, .who script, .who img").count()).toBe(0);
  expect(await page.evaluate("window.broken")).toBeUndefined();
}

describe("markup in what people and programs say", () => {
  test("is shown as text: in labels, keys, notes, names of tokens, and lines of output", async () => {
    const image = talkativeImage({ [`label ${markup}`]: `text ${markup}` });
    const { api_url: apiUrl, account, token } = local();
    const digest = await pushImage({ apiUrl, account, service: "hello-world", token }, image, ["said"]);
    const key = `key ${markup}`;
    const { backend_id: id } = await connectToDemo(local(), "prod", {
      key,
      spawn: { tag: "said", executable: { env: { SAYS: `says ${markup}` } } },
    });
    const name = `name ${markup}`;
    const deployer = await createToken({ role: "deploy", name });
    const note = `note ${markup}`;
    await call({ api_url: apiUrl, token: deployer }, pinAnswer, `${demo}/environments/staging/pin`, {
      method: "PUT",
      json: { image: "said", note },
    });

    const shown: [path: string, texts: string[]][] = [
      [service, [note, name]],
      [staging, [note, name]],
      [`${service}/images/${digest}`, [`label ${markup}`, `text ${markup}`, key]],
      [`${service}/backends`, [key]],
      [`/backend/${id}`, [key, `says ${markup}`]],
      ["/settings", [name]],
    ];
    const { page, complaints } = await open("/");
    const dialogs: string[] = [];
    page.on("dialog", (dialog) => {
      dialogs.push(dialog.message());
      return dialog.dismiss();
    });
    for (const [path, texts] of shown) {
      await page.goto(url(path));
      for (const text of texts) await expectShownAsText(page, text);
    }
    const named = await openAs(deployer, "/");
    await expectShownAsText(named.page, `demo as ${name}`);
    expect([complaints, named.complaints, dialogs]).toEqual([[], [], []]);
  });

  test("in an address is shown as text too", async () => {
    const { page } = await open(`${staging}?${new URLSearchParams({ image: markup })}`);
    await page.getByRole("alert").waitFor();
    expect(await page.evaluate("window.broken")).toBeUndefined();
    await page.goto(url(`${service}/backends?${new URLSearchParams({ key: markup })}`));
    expect(await page.getByLabel("Key").inputValue()).toBe(markup);
    expect(await page.locator("main img").count()).toBe(0);
  });
});

/** Injects markup into the page as an attacker would. @returns what the browser has refused, in order */
const attack = `new Promise((resolve) => {
  const refused = [];
  document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => {
    refused.push(effectiveDirective);
    if (refused.length === 5) resolve(refused.sort());
  });
  const script = document.createElement("script");
  script.textContent = "window.broken = 1";
  const foreign = document.createElement("script");
  foreign.src = "https://elsewhere.test/x.js";
  const image = document.createElement("img");
  image.setAttribute("onerror", "window.broken = 1");
  image.src = "/nothing.png";
  const styled = document.createElement("p");
  styled.setAttribute("style", "color: red");
  image.addEventListener("error", () => {
    if (window.broken) resolve(["something has run"]);
  });
  document.body.append(script, foreign, image, styled);
  fetch("https://elsewhere.test/").catch(() => {});
})`;

describe("the content security policy", () => {
  test("stops scripts, handlers, styles and connections that are not our own, on any page", async () => {
    const { page } = await openWindow();
    for (const path of ["/login", "/", staging, `${service}x`]) {
      if (path === "/") {
        const value = local().token;
        await page.context().addCookies([{ name: "slipway_session", value, url: url("/") }]);
      }
      await page.goto(url(path));
      expect([path, await page.evaluate(attack)]).toEqual([
        path,
        ["connect-src", "script-src-attr", "script-src-elem", "script-src-elem", "style-src-attr"],
      ]);
      expect(await page.evaluate("window.broken")).toBeUndefined();
    }
  });
});
