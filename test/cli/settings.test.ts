import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import * as answers from "./answers.ts";
import { startRecordedApi } from "./recorded-api.ts";
import { acmeToken, makeFolder, slipway } from "./slipway.ts";

const demoToken = `demo_0123456789ab.${"d".repeat(43)}`;
const list = { body: { services: [] } };

async function writeLocalState(folder: string, apiUrl: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const state = { api_url: apiUrl, account: "demo", token: demoToken, root_token: "local-root", pid: 1 };
  await writeFile(join(folder, "local.json"), JSON.stringify(state));
}

describe("where requests go and what they carry", { timeout: 30_000 }, () => {
  test("options win over the environment", async () => {
    await using api = await startRecordedApi([list]);
    const ended = await slipway(["services", "list", "--api-url", `${api.url}/`, "--token", acmeToken], {
      env: { SLIPWAY_API_URL: "http://127.0.0.1:9", SLIPWAY_TOKEN: demoToken },
    });
    expect(ended.exitCode).toBe(0);
    expect(api.requests).toMatchObject([
      { url: "/v3/accounts/acme/services?limit=200", headers: { authorization: `Bearer ${acmeToken}` } },
    ]);
  });

  test("without a token the local deployment's address and token are used", async () => {
    await using api = await startRecordedApi([list]);
    await using folder = await makeFolder();
    await writeLocalState(join(folder.path, ".slipway"), api.url);
    const ended = await slipway(["services", "list"], { cwd: folder.path });
    expect(ended).toMatchObject({ exitCode: 0, stderr: "" });
    expect(api.requests).toMatchObject([
      { url: "/v3/accounts/demo/services?limit=200", headers: { authorization: `Bearer ${demoToken}` } },
    ]);
  });

  test("SLIPWAY_STATE_DIR names another folder for the local deployment", async () => {
    await using api = await startRecordedApi([list]);
    await using folder = await makeFolder();
    await writeLocalState(join(folder.path, "state"), api.url);
    const ended = await slipway(["services", "list"], {
      env: { SLIPWAY_STATE_DIR: join(folder.path, "state") },
    });
    expect(ended.exitCode).toBe(0);
    expect(api.requests).toHaveLength(1);
  });

  test("the local deployment's root token creates accounts", async () => {
    await using api = await startRecordedApi([{ status: 201, body: answers.acmeAccount }]);
    await using folder = await makeFolder();
    await writeLocalState(join(folder.path, ".slipway"), api.url);
    const ended = await slipway(["accounts", "create", "acme"], { cwd: folder.path });
    expect(ended.exitCode).toBe(0);
    expect(api.requests[0]?.headers.authorization).toBe("Bearer local-root");
  });

  test("SLIPWAY_ROOT_TOKEN creates accounts too", async () => {
    await using api = await startRecordedApi([{ status: 201, body: answers.acmeAccount }]);
    await slipway(["accounts", "create", "acme"], {
      env: { SLIPWAY_API_URL: api.url, SLIPWAY_ROOT_TOKEN: "root" },
    });
    expect(api.requests[0]?.headers.authorization).toBe("Bearer root");
  });

  test("a given token is not sent to the local deployment's address", async () => {
    await using given = await startRecordedApi([list]);
    await using local = await startRecordedApi([list]);
    await using folder = await makeFolder();
    await writeLocalState(join(folder.path, ".slipway"), local.url);
    await slipway(["services", "list", "--token", acmeToken, "--api-url", given.url], { cwd: folder.path });
    expect([given.requests.length, local.requests.length]).toEqual([1, 0]);
  });

  test("the local deployment's token is not sent to another address", async () => {
    await using other = await startRecordedApi([list]);
    await using folder = await makeFolder();
    await writeLocalState(join(folder.path, ".slipway"), "http://127.0.0.1:9");
    const ended = await slipway(["services", "list", "--api-url", other.url], { cwd: folder.path });
    expect(ended.exitCode).toBe(2);
    expect(ended.stderr).toContain("no token");
    expect(other.requests).toEqual([]);
  });

  test("an address with a path keeps it", async () => {
    await using api = await startRecordedApi([list]);
    await slipway(["services", "list", "--api-url", `${api.url}/slipway/`, "--token", acmeToken]);
    expect(api.requests[0]?.url).toBe("/slipway/v3/accounts/acme/services?limit=200");
  });

  const unusable: [title: string, args: string[], says: string][] = [
    ["no token at all", ["services", "list"], "no token: give --token or set SLIPWAY_TOKEN"],
    [
      "no root token",
      ["accounts", "create", "acme"],
      "no token: give --root-token or set SLIPWAY_ROOT_TOKEN",
    ],
    ["a token without an account", ["services", "list", "--token", "secret"], "<account>_<id>.<secret>"],
    [
      "a token with a line end",
      ["services", "list", "--token", "acme_1.x\n"],
      "characters that no token has",
    ],
    [
      "an address that is none",
      ["services", "list", "--api-url", "localhost:8787"],
      "is not an http or https URL",
    ],
  ];

  test.for(unusable)("%s is wrong usage", async ([, args, says]) => {
    await using folder = await makeFolder();
    const ended = await slipway(args, { cwd: folder.path });
    expect(ended).toMatchObject({ exitCode: 2, stdout: "" });
    expect(ended.stderr).toContain(says);
  });

  test("a local.json that is something else is named", async () => {
    await using folder = await makeFolder();
    await writeFile(join(folder.path, "local.json"), "{");
    const ended = await slipway(["services", "list"], { env: { SLIPWAY_STATE_DIR: folder.path } });
    expect(ended.exitCode).toBe(2);
    expect(ended.stderr).toContain(`${join(folder.path, "local.json")} is not what \`npm start\` writes`);
  });
});
