import { expect, test } from "vitest";
import { outputLines } from "../../../src/agent/runtimes/output-lines.ts";

function linesOf(...chunks: (string | Buffer)[]): string[] {
  const lines: string[] = [];
  const output = outputLines((line) => lines.push(line));
  for (const chunk of chunks) output.push(Buffer.from(chunk));
  output.end();
  return lines;
}

test("lines are put together across chunks, and the last needs no line end", () => {
  expect(linesOf("on", "e\r\ntwo\n\nth", "ree")).toEqual(["one", "two", "", "three"]);
});

test("a character that is split between chunks arrives whole", () => {
  const bytes = Buffer.from("Zoë\n");
  expect(linesOf(bytes.subarray(0, 3), bytes.subarray(3))).toEqual(["Zoë"]);
});

test("output without line ends is cut, and nothing of it is lost", () => {
  const lines = linesOf("x".repeat(20_000));
  expect(lines.length).toBeGreaterThan(1);
  expect(lines.join("")).toBe("x".repeat(20_000));
});

test("a long line is cut whether its end has come or not, but never in the middle of a character", () => {
  const lines = linesOf(`${"x".repeat(8191)}${"😀".repeat(5000)}\r\nnext`);
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(8192);
  expect(lines.every((line) => line.isWellFormed())).toBe(true);
  expect(lines.slice(0, -1).join("")).toBe(`${"x".repeat(8191)}${"😀".repeat(5000)}`);
  expect(lines.at(-1)).toBe("next");
});

test("after an end, a line begins anew", () => {
  const lines: string[] = [];
  const output = outputLines((line) => lines.push(line));
  output.push(Buffer.from([0x61, 0xc3]));
  output.end();
  output.push(Buffer.from("b\n"));
  expect(lines).toEqual(["a\ufffd", "b"]);
});
