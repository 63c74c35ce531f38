import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { programEnv } from "../support/process.ts";
import { refusal, startRecordedApi } from "./recorded-api.ts";
import { acmeToken, slipwayAsAcme, slipwayProcessAsAcme } from "./slipway.ts";

const id = "k3f9q7h3kq2m9";
const sse = { "content-type": "text/event-stream" };
const sample = { cluster: "main", backend_id: id, mem_used: 34.25 * 1024 ** 2, mem_available: 3 * 1024 ** 3 };

function events(...data: unknown[]): string {
  return data.map((item) => `data: ${typeof item === "string" ? item : JSON.stringify(item)}\n\n`).join("");
}

describe("backends logs", { timeout: 30_000 }, () => {
  test("prints a line for each event, and ends with the stream", async () => {
    await using api = await startRecordedApi([
      { headers: sse, body: `\n${events("first", "", "data: third")}\n\n${events(" fourth ")}` },
    ]);
    const ended = await slipwayAsAcme(api.url, ["backends", "logs", id]);
    expect(ended).toEqual({ exitCode: 0, stdout: "first\n\ndata: third\n fourth \n", stderr: "" });
    expect(api.requests).toMatchObject([
      {
        method: "GET",
        url: `/v2/backend/${id}/logs/stream`,
        headers: { authorization: `Bearer ${acmeToken}`, accept: "text/event-stream" },
      },
    ]);
  });

  test("shows control characters, which could drive the terminal, only to programs", async () => {
    const line = "\u001b]0;owned\u0007 done";
    await using api = await startRecordedApi([
      { headers: sse, body: events(line) },
      { headers: sse, body: events(line) },
    ]);
    expect((await slipwayAsAcme(api.url, ["backends", "logs", id])).stdout).toBe(
      "\ufffd]0;owned\ufffd done\n",
    );
    const { stdout } = await slipwayAsAcme(api.url, ["backends", "logs", id, "--json"]);
    expect(JSON.parse(stdout)).toBe(line);
  });

  test("prints lines as they come, stops when stdout is closed, and leaves the stream", async () => {
    await using api = await startStreamingApi();
    const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
    const child = spawn(process.execPath, [main, "backends", "logs", id], {
      env: { ...programEnv, SLIPWAY_API_URL: api.url, SLIPWAY_TOKEN: acmeToken },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(child, "exit");
    const stream = await api.requested;
    for (const line of ["one", "two"]) {
      stream.write(events(line));
      const [printed] = await once(child.stdout, "data");
      expect(String(printed)).toBe(`${line}\n`);
    }
    child.stdout.destroy();
    await once(child.stdout, "close");
    const left = once(stream, "close");
    // The first of them may be written before the end of the reader is noticed.
    const going = setInterval(() => stream.write(events("nobody reads this")), 10);
    expect(await exited).toEqual([0, null]);
    await left;
    clearInterval(going);
  });

  test("a stream that breaks off is reported with exit code 1, after what it gave", async () => {
    await using api = await startStreamingApi();
    const ended = slipwayProcessAsAcme(api.url, ["backends", "logs", id]);
    const stream = await api.requested;
    stream.write(events("last words"), () => stream.destroy());
    expect(await ended).toEqual({
      exitCode: 1,
      stdout: "last words\n",
      stderr: `error: the connection to ${api.url} broke off\n`,
    });
  });
});

describe("backends metrics", { timeout: 30_000 }, () => {
  test("shows a row a sample, below one heading", async () => {
    const samples = [
      { ...sample, cpu_used: 125, sys_cpu: 1000 },
      { ...sample, cpu_used: 0, sys_cpu: 0, mem_used: 512 },
    ];
    await using api = await startRecordedApi([{ headers: sse, body: events("not a sample", ...samples) }]);
    const ended = await slipwayAsAcme(api.url, ["backends", "metrics", id]);
    expect(ended).toMatchObject({ exitCode: 0, stderr: "" });
    expect(ended.stdout.split("\n")).toEqual([
      "CPU       MEMORY USED  MEMORY AVAILABLE",
      "12.5 %    34.3 MiB     3.0 GiB",
      "-         512 B        3.0 GiB",
      "",
    ]);
    expect(api.requests[0]?.url).toBe(`/v2/backend/${id}/metrics/stream`);
  });

  test("--json prints the API's samples, one a line", async () => {
    const samples = [1, 2].map((cpu_used) => ({ ...sample, cpu_used, sys_cpu: 4, added_later: true }));
    await using api = await startRecordedApi([{ headers: sse, body: events(...samples) }]);
    const { stdout } = await slipwayAsAcme(api.url, ["backends", "metrics", id, "--json"]);
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual(samples);
  });
});

describe.each(["logs", "metrics"])("backends %s that are refused", { timeout: 30_000 }, (command) => {
  test("are reported in the API's words with exit code 1", async () => {
    await using api = await startRecordedApi([refusal("not_found", "cluster `main` has none", "r-12")]);
    expect(await slipwayAsAcme(api.url, ["backends", command, id])).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: "error: cluster `main` has none (not_found, request r-12)\n",
    });
  });

  test("by a redirect are not requested elsewhere, with the token", async () => {
    await using api = await startRecordedApi([
      { status: 302, headers: { location: "/elsewhere" } },
      { headers: sse, body: events("elsewhere") },
    ]);
    const ended = await slipwayAsAcme(api.url, ["backends", command, id]);
    expect(ended).toMatchObject({ exitCode: 1, stdout: "" });
    expect(ended.stderr).toContain("was answered with 302 to /elsewhere");
    expect(api.requests).toHaveLength(1);
  });

  test("since something else than the API answers are not taken for a stream", async () => {
    await using api = await startRecordedApi([
      { headers: { "content-type": "text/html" }, body: "<p>data: x" },
    ]);
    const ended = await slipwayAsAcme(api.url, ["backends", command, id]);
    expect(ended).toMatchObject({ exitCode: 1, stdout: "" });
    expect(ended.stderr).toContain("was answered with 200, but not by Slipway's API");
  });

  test("of what is no backend id are wrong usage", async () => {
    await using api = await startRecordedApi([]);
    const ended = await slipwayAsAcme(api.url, ["backends", command, "../x"]);
    expect(ended).toMatchObject({ exitCode: 2, stdout: "" });
    expect(ended.stderr).toContain("a backend id has 13 characters");
    expect(api.requests).toEqual([]);
  });
});

/** Stands for Slipway with a stream that a test writes. `requested` resolves to it when it is requested. */
async function startStreamingApi() {
  const { promise: requested, resolve } = Promise.withResolvers<ServerResponse>();
  const server = createServer((_request, response) => {
    response.writeHead(200, sse);
    response.flushHeaders();
    resolve(response);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    requested,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
