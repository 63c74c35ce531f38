import { expect, test } from "vitest";
import { jsonLog } from "../../src/agent/log.ts";

test("an event is one line of JSON with its time, name and fields", () => {
  const lines: string[] = [];
  jsonLog((line) => lines.push(line))("backend.output", { line: "two\nlines" });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^[^\n]*\n$/);
  expect(JSON.parse(lines[0] ?? "")).toEqual({
    time: expect.stringMatching(/^\d{4}-.*Z$/),
    event: "backend.output",
    line: "two\nlines",
  });
});
