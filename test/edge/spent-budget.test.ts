import { describe, expect, onTestFinished, vi } from "vitest";
import { Account } from "../../src/objects/account/account.ts";
import { Service } from "../../src/objects/service/service.ts";
import { send } from "../support/worker/api.ts";
import { test } from "../support/worker/page-test.ts";
import { basic, refusalOf, sendOci } from "../support/worker/registry.ts";

/** As the runtime words it, of the calls of one invocation. */
const spent = new Error(
  "Too many subrequests by single Worker invocation. To configure this limit, see the documentation.",
);
const busy = Object.assign(new Error("inner words"), { overloaded: true });
const spentWords = "needs more calls than one request may make";
const busyWords = "busy or restarting";

/** Has a method fail until the test has finished. */
function failing(
  method: { mockRejectedValue(error: Error): unknown; mockRestore(): void },
  error: Error,
): void {
  method.mockRejectedValue(error);
  onTestFinished(() => method.mockRestore());
}

describe.each([
  { what: "whose calls are spent", error: spent, words: spentWords, retryAfter: null },
  { what: "that calls a busy object", error: busy, words: busyWords, retryAfter: "1" },
])("a request $what", ({ error, words, retryAfter }) => {
  test("is answered so by the API", async ({ account }) => {
    failing(vi.spyOn(Account.prototype, "listServices"), error);
    const answer = await send(`/v3/accounts/${account.name}/services`, { token: account.admin });
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, retryAfter]);
    expect(await answer.json()).toMatchObject({
      error: { code: "unavailable", message: expect.stringContaining(words) },
    });
  });

  test("is answered so by a page", async ({ admin }) => {
    failing(vi.spyOn(Account.prototype, "listServices"), error);
    const { status, headers, html } = await admin.visit("/");
    expect([status, headers.get("retry-after")]).toEqual([503, retryAfter]);
    expect(html).toContain(words);
  });

  test("is answered so by the registry", async ({ account }) => {
    failing(vi.spyOn(Account.prototype, "hasService"), error);
    const authorization = basic(account.name, account.admin);
    const answer = await sendOci(`/v2/${account.name}/budget/tags/list`, { authorization });
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, retryAfter]);
    expect(await answer.clone().text()).toContain(words);
    expect(await refusalOf(answer)).toEqual([503, "TOOMANYREQUESTS"]);
  });

  test("ends a live page, which its reader requests anew", async ({ admin, hello }) => {
    const page = await admin.follow(hello.path);
    expect(await page.next()).toContain("Environments");
    failing(vi.spyOn(Service.prototype, "overview"), error);
    await hello.connect();
    expect(await page.next()).toBeNull();
  });
});
