import { expect, test } from "vitest";
import { EndedOutput, lastLines } from "../../../src/agent/backends/ended-output.ts";

async function* linesOf(...lines: string[]) {
  yield* lines;
}

test("the last lines are those that fit, in their order", async () => {
  expect(await lastLines(linesOf("one", "two", "three"), 100)).toEqual(["one", "two", "three"]);
  expect(await lastLines(linesOf("one", "two", "three"), 10)).toEqual(["two", "three"]);
  expect(await lastLines(linesOf("one", "two", "three"), 9)).toEqual(["three"]);
  expect(await lastLines(linesOf(), 9)).toEqual([]);
});

test("of a line that is too long its beginning is kept", async () => {
  expect(await lastLines(linesOf("one", "0123456789"), 4)).toEqual(["0123"]);
});

test("in all no more is kept than the bound: what ended first goes first", () => {
  const kept = new EndedOutput(20);
  kept.keep("a", ["123456789"]);
  kept.keep("b", ["123456789"]);
  expect([kept.of("a"), kept.of("b")]).toEqual([["123456789"], ["123456789"]]);
  kept.keep("c", ["1"]);
  expect([kept.of("a"), kept.of("b"), kept.of("c")]).toEqual([[], ["123456789"], ["1"]]);
});

test("what is forgotten makes room, and what is kept again counts once", () => {
  const kept = new EndedOutput(20);
  kept.keep("a", ["123456789"]);
  kept.keep("a", ["123456789"]);
  kept.keep("b", ["123456789"]);
  kept.forget("b");
  kept.keep("c", ["123456789"]);
  expect([kept.of("a"), kept.of("b"), kept.of("c")]).toEqual([["123456789"], [], ["123456789"]]);
});
