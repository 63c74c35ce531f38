import { expect, test } from "vitest";
import type { LogFrame } from "../../../../src/agent/runtimes/docker/log-frames.ts";
import { LogPlace } from "../../../../src/agent/runtimes/docker/log-place.ts";

/** A log as frames: the stream's first letter, the second at which it was written, and a name. */
type Written = readonly ["o" | "e", number, string];

function frameOf([stream, second]: Written): LogFrame {
  const time = `2026-11-23T00:00:${String(second).padStart(2, "0")}.000000000Z`;
  return { stream: stream === "o" ? "stdout" : "stderr", time, content: Buffer.alloc(0) };
}

/** What a reader gets of a log that is cut once, after so many frames. */
function readWithCut(log: readonly Written[], cutAfter: number): string[] {
  const place = new LogPlace();
  place.resume();
  const before = log.slice(0, cutAfter).filter((written) => place.advance(frameOf(written)));
  const since = Number(place.resume() ?? 0) * 1000;
  const after = log
    .filter((written) => Date.parse(frameOf(written).time) >= since)
    .filter((written) => place.advance(frameOf(written)));
  return [...before, ...after].map(([, , name]) => name);
}

const log: Written[] = [
  ["o", 10, "a"],
  ["o", 11, "b"],
  ["e", 11, "c"],
  // Pieces of a long line, among what the other stream wrote meanwhile.
  ["o", 20, "d1"],
  ["e", 21, "e"],
  ["o", 20, "d2"],
  ["e", 22, "f"],
  ["o", 20, "d3"],
  ["o", 23, "g"],
  ["e", 23, "h"],
  ["e", 23, "i"],
];

test("what is read on after a cut is all that is missing, and nothing twice, wherever the cut is", () => {
  const names = log.map(([, , name]) => name);
  for (let cut = 0; cut <= log.length; cut++) expect(readWithCut(log, cut)).toEqual(names);
});

test("a clock that is put back loses no output, once there is news after a cut", () => {
  const place = new LogPlace();
  const read = (...seconds: number[]) => seconds.map((second) => place.advance(frameOf(["o", second, ""])));
  place.resume();
  expect(read(30, 31, 5, 31)).toEqual([true, true, true, true]);
  place.resume();
  expect(read(30, 31, 32, 6, 7)).toEqual([false, false, true, true, true]);
});

test("only what may be missing is requested again", () => {
  const place = new LogPlace();
  expect(place.resume()).toBeUndefined();
  place.advance(frameOf(["o", 40, ""]));
  expect(place.resume()).toBe(String(Date.parse("2026-11-23T00:00:30Z") / 1000));
});
