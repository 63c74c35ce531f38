import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { jsonLines } from "../../../../src/agent/runtimes/docker/json-lines.ts";

async function read(...chunks: string[]): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const value of jsonLines(Readable.from(chunks.map((chunk) => Buffer.from(chunk))))) {
    values.push(value);
  }
  return values;
}

test("values are read a line each, wherever the stream is cut", async () => {
  expect(await read('{"a":', '1}\n\n{"b"', ":2}\n3")).toEqual([{ a: 1 }, { b: 2 }, 3]);
});

test("a line without an end is not waited for", async () => {
  const piece = "x".repeat(64 * 1024);
  await expect(read(...Array<string>(17).fill(piece))).rejects.toThrow("a line without an end");
});
