import { describe, expect, test } from "vitest";
import { z } from "zod";
import { type Session, sessionList } from "../../../src/protocol/v3/sessions.ts";
import { usePages } from "../../support/browser/page-tests.ts";
import { jamsocketLogin, jamsocketOf, succeeding } from "../../support/jamsocket.ts";

const { api, createToken, home, local, open, openWindow, screen, url } = usePages();

const staging = "/service/demo/hello-world/environment/staging";

/** The sessions that are not over. */
async function liveSessions(kind: Session["kind"]): Promise<Session[]> {
  const { sessions } = await api(sessionList, `/v3/accounts/${local().account}/sessions`);
  return sessions.filter((session) => session.kind === kind);
}

describe("logging in with a token", () => {
  test("leads to the page that was requested, its query included", async () => {
    const { page, complaints } = await openWindow();
    await page.goto(url(`${staging}?image=v1`));
    expect(new URL(page.url()).pathname).toBe("/login");
    await page.getByLabel("Access token").fill(local().token);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { level: 1, name: "staging" }).waitFor();
    expect(page.url()).toBe(url(`${staging}?image=v1`));
    expect(complaints).toEqual([]);
  });

  test("leads to the services where nothing, or another site, was requested", async () => {
    for (const query of [
      "",
      `?next=${encodeURIComponent("https://elsewhere.test/")}`,
      "?next=//elsewhere.test/",
    ]) {
      const { page } = await openWindow();
      await page.goto(url(`/login${query}`));
      await page.getByLabel("Access token").fill(local().token);
      await page.getByRole("button", { name: "Log in" }).click();
      await page.getByRole("heading", { level: 1, name: "Services" }).waitFor();
      expect(page.url()).toBe(url("/"));
    }
  });

  test("that is wrong is refused with the reason, and a right one then goes on to where it was to go", async () => {
    const { page } = await openWindow();
    await page.goto(url(staging));
    await page.getByLabel("Access token").fill(`${local().token}x`);
    await page.getByRole("button", { name: "Log in" }).click();
    expect(await page.getByRole("alert").textContent()).toBe(
      "the token is malformed, unknown, revoked or expired",
    );
    expect(await page.context().cookies()).not.toContainEqual(
      expect.objectContaining({ name: "slipway_session" }),
    );
    await page.getByLabel("Access token").fill(local().token);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { level: 1, name: "staging" }).waitFor();
  });

  test("keeps neither the token nor the session where a script could read it", async () => {
    const { page, context } = await openWindow();
    await page.goto(url("/login"));
    await page.getByLabel("Access token").fill(local().token);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { level: 1, name: "Services" }).waitFor();
    const session = (await context.cookies()).find(({ name }) => name === "slipway_session");
    expect(session).toMatchObject({ httpOnly: true, sameSite: "Lax" });
    expect(session?.value).not.toContain(local().token);
    expect(await page.evaluate("document.cookie")).toBe("");
    expect(await page.content()).not.toContain(local().token);
  });
});

describe("logging out", () => {
  test("ends the session: its cookie opens no page any more, in no window", async () => {
    const { page, context } = await openWindow();
    await page.goto(url("/login"));
    await page.getByLabel("Access token").fill(await createToken({ role: "read" }));
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { level: 1, name: "Services" }).waitFor();
    const before = await context.cookies();

    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByRole("heading", { level: 1, name: "Log in" }).waitFor();
    const other = await openWindow();
    await other.context.addCookies(before);
    await other.page.goto(url(staging));
    expect(new URL(other.page.url()).pathname).toBe("/login");
    await page.goBack();
    expect(await page.getByRole("button", { name: "Log out" }).count()).toBe(0);
  });
});

describe("the link on the screen of `npm start`", () => {
  test("logs in once whoever presses its button; a second use is refused with the reason", async () => {
    const link = /^ +dashboard +(\S+)/m.exec(screen())?.[1] ?? "";
    const first = await openWindow();
    const second = await openWindow();
    // A GET, as by a link scanner, does not use it up.
    for (const { page } of [first, second]) {
      await page.goto(link);
      await page.getByText("This link logs you in once.").waitFor();
    }
    await first.page.getByRole("button", { name: "Log in" }).click();
    await first.page.getByRole("heading", { level: 1, name: "Services" }).waitFor();

    await second.page.getByRole("button", { name: "Log in" }).click();
    await second.page.getByRole("heading", { level: 1, name: "Not found" }).waitFor();
    expect(await second.page.getByRole("main").textContent()).toMatch(/link .*(used|expired)/);
    await second.page.goto(url("/"));
    expect(new URL(second.page.url()).pathname).toBe("/login");
  });
});

describe("`jamsocket login`, with the page that it opens", () => {
  test("gives the command line the rights of the person who confirms it, until the session is revoked", async () => {
    const at = home();
    await using login = await jamsocketLogin(at, local().api_url);
    const { page, complaints } = await open(`/cli-login/${await login.loginToken()}`);
    expect(await page.getByRole("region", { name: "Confirm" }).textContent()).toContain("jamsocket-cli/");
    await page.getByRole("button", { name: "Yes, show me the code" }).click();
    const code = await page.locator(".code").innerText();
    expect(code).toMatch(/^\d{4}$/);
    await login.asksForCode();
    login.type(code);
    const { exitCode, output } = await login.ended;
    expect(exitCode, output).toBe(0);
    expect(complaints).toEqual([]);

    const jamsocket = await jamsocketOf(at, local().api_url);
    expect(await succeeding(jamsocket, "service", "list")).toContain("hello-world");

    const [session] = await liveSessions("cli");
    const path = `/v3/accounts/${local().account}/sessions/${session?.id}`;
    await api(z.undefined(), path, { method: "DELETE" });
    const { exitCode: refusal, stderr } = await jamsocket("service", "list");
    expect(refusal, stderr).not.toBe(0);
  });

  test("has a visitor who is not logged in log in first, and then goes on with it", async () => {
    await using login = await jamsocketLogin(home(), local().api_url);
    const { page } = await openWindow();
    await page.goto(url(`/cli-login/${await login.loginToken()}`));
    await page.getByLabel("Access token").fill(local().token);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("button", { name: "Yes, show me the code" }).click();
    login.type(await page.locator(".code").innerText());
    const { exitCode, output } = await login.ended;
    expect(exitCode, output).toBe(0);
  });

  test("of a token that nobody has made is not found", async () => {
    const { page } = await open("/cli-login/nonsense");
    await page.getByRole("heading", { level: 1, name: "Not found" }).waitFor();
    expect(await page.getByRole("button", { name: "Yes" }).count()).toBe(0);
  });
});
