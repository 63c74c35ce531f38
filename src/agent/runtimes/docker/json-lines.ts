import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** Reads a stream of JSON values, one a line. Rejects with the stream, and for a line that is none. */
export async function* jsonLines(stream: Readable): AsyncGenerator<unknown> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.write(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield JSON.parse(line);
  }
  if (rest.trim() !== "") yield JSON.parse(rest);
}
