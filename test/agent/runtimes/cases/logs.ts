import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { collect, never } from "../../support/streams.ts";
import type { Case } from "./kit.ts";

const megabyte = 1024 * 1024;

export function logsCases(test: Case): void {
  test("the output is read from its beginning and followed, until the backend ends", async (bench) => {
    const { id, exited } = await bench.startUntil("ready", "handle-sigterm");
    const reader = bench.runtime.logs(id, never)[Symbol.asyncIterator]();
    expect(await reader.next()).toEqual({ done: false, value: "ready" });
    const next = reader.next();
    await bench.runtime.stop(id, "soft");
    expect(await next).toEqual({ done: false, value: "ending" });
    expect(await reader.next()).toMatchObject({ done: true });
    expect(await exited).toBe(5);
  });

  test("both streams are read, in the order in which they came", async (bench) => {
    const { id } = await bench.start("streams");
    expect(await collect(bench.runtime.logs(id, never))).toEqual(["out 1", "err 1", "out 2", "err 2"]);
  });

  test("every reader gets the whole output", async (bench) => {
    const { id } = await bench.start("say", { WORDS: "a\\n b\\n c\\n" });
    const readers = [0, 1].map(() => collect(bench.runtime.logs(id, never)));
    expect(await Promise.all(readers)).toEqual([
      ["a", "b", "c"],
      ["a", "b", "c"],
    ]);
  });

  test("the output of a backend that has ended can be read, its last line without a line end too", async (bench) => {
    const { id, exited } = await bench.start("exit", { CODE: "3" });
    await exited;
    expect(await collect(bench.runtime.logs(id, never))).toEqual(["bye"]);
  });

  test("lines and characters are whole, in however many pieces they came", async (bench) => {
    const { id } = await bench.start("say", { WORDS: "Zo \\303 \\253\\r\\n\\nthr ee\\360\\237 \\230\\200" });
    expect(await collect(bench.runtime.logs(id, never))).toEqual(["Zoë", "", "three😀"]);
  });

  test("nothing of a very long line is lost, and no piece of it is very long", async (bench) => {
    const { id } = await bench.start("long-line", { LENGTH: String(megabyte) });
    const lines = await collect(bench.runtime.logs(id, never));
    expect(lines.join("")).toBe("x".repeat(megabyte));
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(64 * 1024);
  });

  test("there is no output of a backend that was never there, or was removed", async (bench) => {
    expect(await collect(bench.runtime.logs(bench.spec("serve").backendId, never))).toEqual([]);
    const { id, exited } = await bench.start("exit", { CODE: "0" });
    await exited;
    await bench.runtime.remove(id);
    expect(await collect(bench.runtime.logs(id, never))).toEqual([]);
  });

  test("reading ends when it is aborted", async (bench) => {
    const { id } = await bench.start("serve");
    const abort = new AbortController();
    const lines: string[] = [];
    const reading = (async () => {
      for await (const line of bench.runtime.logs(id, abort.signal)) lines.push(line);
    })();
    await eventually(() => lines).toEqual(["serving"]);
    abort.abort();
    await reading;
    expect(await collect(bench.runtime.logs(id, AbortSignal.abort()))).toEqual([]);
    expect(await bench.listedIds()).toEqual([id]);
  });

  test("a reader that leaves leaves the backend as it was", async (bench) => {
    const { id, exited } = await bench.start("handle-sigterm");
    for await (const line of bench.runtime.logs(id, never)) {
      expect(line).toBe("ready");
      break;
    }
    await bench.runtime.stop(id, "soft");
    expect(await exited).toBe(5);
  });

  test("all of a large output reaches a reader that keeps up, in order", async (bench) => {
    const count = 20_000;
    const { id } = await bench.start("many-lines", { COUNT: String(count) });
    const numbers = (await collect(bench.runtime.logs(id, never))).map((line) => Number(line.split(" ")[1]));
    expect(numbers).toEqual(Array.from({ length: count }, (_, index) => index + 1));
  });

  test("a reader that stops reading does not fill the memory, and finds later output when it goes on", async (bench) => {
    const count = 500_000;
    const { id, exited } = await bench.start("many-lines", { COUNT: String(count) });
    const reader = bench.runtime.logs(id, never)[Symbol.asyncIterator]();
    expect((await reader.next()).value).toMatch(/^line \d+ x+$/);
    const before = memoryHeld();
    await exited;
    expect(memoryHeld() - before).toBeLessThan(20 * megabyte);
    let last = 0;
    for await (const line of { [Symbol.asyncIterator]: () => reader }) last = Number(line.split(" ")[1]);
    // Not the very last: a runtime that makes room for a flood may lose some of it.
    expect(last).toBeGreaterThan(count / 2);
  });
}

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

/** In bytes, without what nobody needs any more. */
function memoryHeld(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
