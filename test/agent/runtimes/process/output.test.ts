import { existsSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { ProcessRuntime } from "../../../../src/agent/runtimes/process/process.ts";
import { eventually } from "../../support/eventually.ts";
import { collect, never } from "../../support/streams.ts";
import { imagesOf, type ProcessPlace, specOf, testProcessPlace } from "./subject.ts";

vi.setConfig({ testTimeout: 40_000 });

/** More than is read at once, so that a reader that stops has read a line in part. */
const outputKeptBytes = 160 * 1024;
const wholeLine = /^line \d+ of many that are printed$/;

/**
 * Starts a backend that prints far more than is kept and, once that is kept within bounds, a last line: what is printed
 * in the very instant in which room is made may be lost.
 * @returns once it has printed all but the last line, what lets it print that
 */
async function startTalkative(place: ProcessPlace, runtime: ProcessRuntime): Promise<() => Promise<void>> {
  const [done, go] = ["done", "go"].map((name) => join(place.dir, name));
  await runtime.start({ ...specOf("talkative"), env: { DONE: String(done), GO: String(go) } });
  await eventually(() => existsSync(String(done))).toBe(true);
  await eventually(() => statSync(join(place.dir, "talkative/output")).size).toBeLessThanOrEqual(
    outputKeptBytes,
  );
  return () => writeFile(String(go), "");
}

const talkative = imagesOf(
  "/bin/sh",
  "-c",
  `i=0; while [ $i -lt 40000 ]; do i=$((i+1)); echo "line $i of many that are printed"; done; : >"$DONE"
  until [ -e "$GO" ]; do sleep 0.02; done; echo "line 40001 of many that are printed"`,
);

test("output is bounded, whatever a backend prints, and what is left of it begins with a whole line", async () => {
  const place = await testProcessPlace();
  const runtime = place.open({ images: talkative, outputKeptBytes, pollEveryMs: 1 });
  const finish = await startTalkative(place, runtime);
  expect(statSync(join(place.dir, "talkative/output.earlier")).size).toBeLessThanOrEqual(3 * outputKeptBytes);
  await finish();
  for (const reader of [runtime, place.open()]) {
    const lines = await collect(reader.logs("talkative", never));
    // But for the line in whose middle what is kept would begin.
    expect(lines.join("\n").length).toBeGreaterThan(outputKeptBytes - 100);
    expect(lines.length).toBeLessThan(40_000);
    for (const line of lines) expect(line).toMatch(wholeLine);
    expect(lines.at(-1)).toContain("40001");
  }
});

test("a reader that was too slow for what is kept goes on with whole lines", async () => {
  const place = await testProcessPlace();
  const runtime = place.open({ images: talkative, outputKeptBytes, pollEveryMs: 1 });
  await runtime.list();
  const starting = startTalkative(place, runtime);
  await eventually(() => existsSync(join(place.dir, "talkative/output.earlier"))).toBe(true);
  const reader = runtime.logs("talkative", never)[Symbol.asyncIterator]();
  const lines = [(await reader.next()).value];
  await (await starting)();
  for await (const line of { [Symbol.asyncIterator]: () => reader }) lines.push(line);
  // What it has read of the line in whose middle it stopped, it gives as a line.
  const torn = lines.filter((line) => !wholeLine.test(line));
  for (const line of torn) expect(line.length).toBeLessThan("line 10000 of many that are printed".length);
  expect(lines.at(-1)).toContain("40001");
});

test("a backend that empties its own output is followed on", async () => {
  const place = await testProcessPlace();
  const go = join(place.dir, "go");
  const script =
    'echo before that; until [ -e "$0" ]; do sleep 0.02; done; echo after >/dev/stdout; echo last';
  const runtime = place.open({ images: imagesOf("/bin/sh", "-c", script, go) });
  await runtime.start(specOf("emptying"));
  const lines: string[] = [];
  for await (const line of runtime.logs("emptying", never)) {
    lines.push(line);
    if (lines.length === 1) await writeFile(go, "");
  }
  expect(lines).toEqual(["before that", "after", "last"]);
});

test("an aborted reader is given nothing more, not even what was read for it", async () => {
  const place = await testProcessPlace();
  const runtime = place.open({ images: imagesOf("/bin/sh", "-c", "echo one; echo two; echo three") });
  const started = await runtime.start(specOf("brief"));
  expect(started.ok && (await started.value.exited)).toBe(0);
  const abort = new AbortController();
  const lines: string[] = [];
  for await (const line of runtime.logs("brief", abort.signal)) {
    lines.push(line);
    abort.abort();
  }
  expect(lines).toEqual(["one"]);
});
