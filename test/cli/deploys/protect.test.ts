import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import * as answers from "../answers.ts";
import { startRecordedApi } from "../recorded-api.ts";
import { makeFolder, slipwayAsAcme } from "../slipway.ts";

const { gates, changers } = answers.protectedProd.settings;

/** What `env protect` with these options changes of an environment that has all kinds of protection. */
async function changed(...options: string[]): Promise<unknown> {
  await using api = await startRecordedApi([
    { body: answers.protectedProd },
    { body: answers.protectedProd },
  ]);
  const ended = await slipwayAsAcme(api.url, ["env", "protect", "hello/prod", ...options]);
  expect(ended).toMatchObject({ exitCode: 0, stderr: "" });
  expect(api.requests.map(({ method }) => method)).toEqual(["GET", "PATCH"]);
  return api.requests[1]?.body;
}

describe("a part of the gates or changers", () => {
  test("is changed, and the others stay", async () => {
    expect(await changed("--min-ready", "30")).toEqual({ settings: { gates: { ...gates, min_ready: 30 } } });
    expect(await changed("--soak", "15m", "--check", "scan")).toEqual({
      settings: { gates: { ...gates, soak_seconds: 900, checks: ["scan"] } },
    });
    expect(await changed("--changer-role", "deploy", "--changer-role", "admin")).toEqual({
      settings: { changers: { ...changers, roles: ["deploy", "admin"] } },
    });
  });

  test("is taken away, and the others stay", async () => {
    const { min_ready: _ready, soak_seconds: _soak, checks: _checks, ...left } = gates ?? {};
    expect(await changed("--no-min-ready", "--no-soak", "--no-check")).toEqual({ settings: { gates: left } });
  });

  test("is taken away with what only it has a use for", async () => {
    const { max_failed_share: _share, min_samples: _samples, ...left } = gates ?? {};
    expect(await changed("--no-max-failed-share")).toEqual({ settings: { gates: left } });
  });

  test("that was the last one leaves none", async () => {
    const before = { ...answers.prod, settings: { gates: { checks: ["e2e"] } } };
    await using api = await startRecordedApi([{ body: before }, { body: answers.prod }]);
    await slipwayAsAcme(api.url, ["env", "protect", "hello/prod", "--no-check"]);
    expect(api.requests[1]?.body).toEqual({ settings: { gates: null } });
  });

  test("is not changed where the environment cannot be read", async () => {
    await using api = await startRecordedApi([{ status: 502, body: "<html>" }]);
    expect((await slipwayAsAcme(api.url, ["env", "protect", "hello/prod", "--soak", "1"])).exitCode).toBe(1);
    expect(api.requests).toHaveLength(1);
  });
});

describe("--windows", () => {
  test("takes a file", async () => {
    await using folder = await makeFolder();
    const file = join(folder.path, "windows.json");
    const { windows } = answers.protectedProd.settings;
    await writeFile(file, JSON.stringify(windows));
    await using api = await startRecordedApi([{ body: answers.protectedProd }]);
    const ended = await slipwayAsAcme(api.url, ["env", "protect", "hello/prod", "--windows", file]);
    expect(ended.exitCode).toBe(0);
    expect(api.requests[0]?.body).toEqual({ settings: { windows } });
  });
});
