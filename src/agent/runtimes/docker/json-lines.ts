import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** The engine's lines have some hundred bytes, and a sample of usage some KiB. */
const lineMaxCharacters = 1024 * 1024;

/** Reads a stream of JSON values, one a line. Rejects with the stream, and for a line that is none or has no end. */
export async function* jsonLines(stream: Readable): AsyncGenerator<unknown> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.write(chunk)).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > lineMaxCharacters)
      throw new Error("the container engine's answer has a line without an end");
    for (const line of lines) if (line.trim() !== "") yield JSON.parse(line);
  }
  if (rest.trim() !== "") yield JSON.parse(rest);
}
