import { StringDecoder } from "node:string_decoder";

/** A line longer than this is cut into several, so that output without line ends does not fill the memory. */
const longestLineCharacters = 8192;

/** Cuts a stream of bytes into lines of UTF-8. Call `end` for what stands after the last line end. */
export function outputLines(onLine: (line: string) => void): { push(chunk: Buffer): void; end(): void } {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  const cut = (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line.replace(/\r$/, ""));
    for (; rest.length > longestLineCharacters; rest = rest.slice(longestLineCharacters)) {
      onLine(rest.slice(0, longestLineCharacters));
    }
  };
  return {
    push: (chunk) => cut(decoder.write(chunk)),
    end() {
      cut(decoder.end());
      if (rest !== "") onLine(rest);
      rest = "";
    },
  };
}
