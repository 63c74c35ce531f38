import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { logFrames } from "../../../../src/agent/runtimes/docker/log-frames.ts";

function frame(stream: number, text: string): Buffer {
  const content = Buffer.from(text);
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(content.length, 4);
  return Buffer.concat([header, content]);
}

async function read(...chunks: Buffer[]): Promise<string[]> {
  const frames: string[] = [];
  for await (const { stream, time, content } of logFrames(Readable.from(chunks))) {
    frames.push(`${stream} ${time} ${content.toString()}`);
  }
  return frames;
}

const bytes = Buffer.concat([frame(1, "T1 one two\n"), frame(2, "T2 é"), frame(1, "T3 \n")]);
const frames = ["stdout T1 one two\n", "stderr T2 é", "stdout T3 \n"];

test("frames are put together, wherever the stream is cut into chunks", async () => {
  for (let cut = 0; cut <= bytes.length; cut++) {
    expect(await read(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual(frames);
  }
  expect(await read(...Array.from(bytes, (byte) => Buffer.of(byte)))).toEqual(frames);
});

test("a frame that was cut off is left out", async () => {
  expect(await read(bytes.subarray(0, -1))).toEqual(frames.slice(0, 2));
});

test("what the engine says of itself is no output", async () => {
  expect(await read(frame(3, "T1 error from the engine"), frame(1, "T2 x"))).toEqual(["stdout T2 x"]);
});

test("a frame longer than any log driver writes is not waited for", async () => {
  const header = Buffer.from([1, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]);
  await expect(read(frame(1, "T1 x"), header)).rejects.toThrow("has 2147483647 bytes");
});
