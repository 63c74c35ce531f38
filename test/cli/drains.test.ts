import { describe, expect, onTestFinished, test } from "vitest";
import * as answers from "./answers.ts";
import { type GivenAnswer, refusal, startRecordedApi } from "./recorded-api.ts";
import { slipwayAsAcme } from "./slipway.ts";

const { drainUnderWay, drained, cancelledDrain, digestA } = answers;
const { id } = drainUnderWay;
const drain = ["env", "drain", "hello/prod", "--digest", digestA];
const half = { ...drainUnderWay, ended: 20, live: 20, eta: null, held_up_by: { count: 0, backends: [] } };
const created = { status: 201, body: drainUnderWay };
const streamOf = (...data: unknown[]): GivenAnswer => ({
  headers: { "content-type": "text/event-stream" },
  body: data.map((item) => `data: ${JSON.stringify(item)}\n\n`).join(""),
});

const begunLine = `${id} draining: 12 of 40 ended, 28 live, until about 2026-11-24T10:30:00.000Z, waits for 2: k3f9q7h3kq2m9 and 1 more`;
const halfLine = `${id} draining: 20 of 40 ended, 20 live`;
const overLine = `${id} drained: 40 of 40 ended`;

describe("env drain", { timeout: 30_000 }, () => {
  test("shows a line for each change until all has ended", async () => {
    await using api = await startRecordedApi([created, streamOf(drainUnderWay, half, half, drained)]);
    const ended = await slipwayAsAcme(api.url, drain);
    expect(ended).toEqual({ exitCode: 0, stdout: `${begunLine}\n${halfLine}\n${overLine}\n`, stderr: "" });
    expect(api.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      "POST /v3/accounts/acme/services/hello/drains",
      `GET /v3/accounts/acme/services/hello/drains/${id}/stream`,
    ]);
  });

  test("shows one line that changes on a terminal", async () => {
    const isTerminal = process.stdout.isTTY;
    process.stdout.isTTY = true;
    onTestFinished(() => {
      process.stdout.isTTY = isTerminal;
    });
    await using api = await startRecordedApi([created, streamOf(half, drained)]);
    const { stdout } = await slipwayAsAcme(api.url, drain);
    const [before, ...lines] = stdout.split("\r\u001b[K");
    expect([before, ...lines]).toEqual(["", begunLine, halfLine, `${overLine}\n`]);
  });

  test("prints the API's JSON for programs, one value a line", async () => {
    await using api = await startRecordedApi([created, streamOf(drainUnderWay, half, drained)]);
    const { stdout } = await slipwayAsAcme(api.url, [...drain, "--json"]);
    const lines = stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([drainUnderWay, half, drained]);
  });

  test("watches nothing where it is drained at once", async () => {
    await using api = await startRecordedApi([{ status: 201, body: drained }]);
    expect(await slipwayAsAcme(api.url, drain)).toMatchObject({ exitCode: 0, stdout: `${overLine}\n` });
  });

  test("ends with exit code 1 where it was cancelled, or refused", async () => {
    await using api = await startRecordedApi([
      created,
      streamOf(cancelledDrain),
      refusal("digest_current", "it runs"),
    ]);
    const cancelled = await slipwayAsAcme(api.url, drain);
    expect(cancelled.exitCode).toBe(1);
    expect(cancelled.stdout).toMatch(/cancelled \(requested\): 12 of 40 ended, 28 go on\n$/);
    const refused = await slipwayAsAcme(api.url, drain);
    expect(refused).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: "error: it runs (digest_current, request req-1)\n",
    });
  });

  describe("whose stream ends before it is over", () => {
    test("follows it again", async () => {
      await using api = await startRecordedApi([created, streamOf(half), streamOf(half, drained)]);
      const ended = await slipwayAsAcme(api.url, drain);
      expect(ended).toMatchObject({ exitCode: 0, stdout: `${begunLine}\n${halfLine}\n${overLine}\n` });
    });

    test("gives up in the end, and says how to go on", async () => {
      await using api = await startRecordedApi([created, ...Array.from({ length: 5 }, () => streamOf())]);
      const ended = await slipwayAsAcme(api.url, drain);
      expect(ended.exitCode).toBe(1);
      expect(ended.stderr).toContain(`watch it with \`slipway env drains hello --watch ${id}\``);
    });

    test("says why where it is not shown any more", async () => {
      await using api = await startRecordedApi([created, streamOf(half), refusal("drain_not_found", "gone")]);
      const ended = await slipwayAsAcme(api.url, drain);
      expect(ended).toMatchObject({ exitCode: 1, stderr: "error: gone (drain_not_found, request req-1)\n" });
    });
  });
});

test("env drains --watch shows one that is under way", { timeout: 30_000 }, async () => {
  await using api = await startRecordedApi([{ body: half }, streamOf(half, drained)]);
  const ended = await slipwayAsAcme(api.url, ["env", "drains", "hello", "--watch", id]);
  expect(ended).toEqual({ exitCode: 0, stdout: `${halfLine}\n${overLine}\n`, stderr: "" });
  expect(api.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
    `GET /v3/accounts/acme/services/hello/drains/${id}`,
    `GET /v3/accounts/acme/services/hello/drains/${id}/stream`,
  ]);
});
