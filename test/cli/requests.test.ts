import { describe, expect, test } from "vitest";
import { commandCases } from "./command-cases.ts";
import { startRecordedApi } from "./recorded-api.ts";
import { slipwayAsAcme } from "./slipway.ts";

describe("a command sends one request as the token's account and says what the answer was", () => {
  test.for(commandCases)("slipway $args", async (given) => {
    await using api = await startRecordedApi([{ status: given.status ?? 200, body: given.answer }]);
    const ended = await slipwayAsAcme(api.url, given.args);
    expect(ended).toMatchObject({ exitCode: 0, stderr: "" });
    const [method, path] = given.sends.split(" ");
    expect(api.requests.map(({ method, url, body }) => ({ method, url, body }))).toEqual([
      { method, url: `/v3/accounts/acme${path}`, body: given.body },
    ]);
    for (const text of given.says) expect(ended.stdout).toContain(text);
  });
});
