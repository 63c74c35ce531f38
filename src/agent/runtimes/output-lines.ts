import { StringDecoder } from "node:string_decoder";

/** A line longer than this is cut into several, so that output without line ends does not fill the memory. */
const longestLineCharacters = 8192;

/**
 * Cuts a stream of bytes into lines of UTF-8. Call `end` for what stands after the last line end; what is pushed
 * after that begins a line.
 */
export function outputLines(onLine: (line: string) => void): { push(chunk: Buffer): void; end(): void } {
  const decoder = new StringDecoder("utf8");
  let rest = "";

  /** @returns the last piece */
  const cutLong = (text: string): string => {
    let piece = text;
    while (piece.length > longestLineCharacters) {
      const end = longestLineCharacters - (isHighSurrogate(piece, longestLineCharacters - 1) ? 1 : 0);
      onLine(piece.slice(0, end));
      piece = piece.slice(end);
    }
    return piece;
  };
  const cut = (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(cutLong(line.replace(/\r$/, "")));
    rest = cutLong(rest);
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

/** Whether a character outside the basic plane begins there: its two halves make no sense apart. */
function isHighSurrogate(text: string, index: number): boolean {
  return (text.charCodeAt(index) & 0xfc00) === 0xd800;
}
