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
