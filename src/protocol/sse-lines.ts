/** A line end (WHATWG HTML 9.2.6). CRLF makes one more empty line of it, which is passed over. */
const lineEnd = /[\r\n]/;

/**
 * Reads the `data:` lines of an event stream that is received in pieces, cut anywhere. In streams of output and metrics
 * an event is one line, which is given as soon as it has ended. Everything else is passed over.
 *
 * A parser of the whole format is of no use here: it buffers an event to its blank line, and can only give up where a
 * cluster sends a line that does not end.
 * @param maxCharacters a longer line is given in pieces of this length, in UTF-16 units, and never held whole
 * @returns `push` takes the next piece and gives the lines that it completes, without their `data:` and one space
 * @example
 * const lines = dataLines(1000);
 * lines.push("data: one\n\ndata: tw"); // ["one"]
 * lines.push("o\n"); // ["two"]
 */
export function dataLines(maxCharacters: number): { push(text: string): string[] } {
  let rest = "";

  const pieces = (line: string): string[] | null => {
    if (!line.startsWith("data:")) return null;
    const cut: string[] = [];
    let from = line.charAt("data:".length) === " " ? "data: ".length : "data:".length;
    while (line.length - from > maxCharacters) {
      const to = from + maxCharacters - (isHighSurrogate(line.charCodeAt(from + maxCharacters - 1)) ? 1 : 0);
      cut.push(line.slice(from, to));
      from = to;
    }
    return [...cut, line.slice(from)];
  };

  return {
    push(text) {
      const lines = (rest + text).split(lineEnd);
      rest = lines.pop() ?? "";
      const data = lines.flatMap((line) => pieces(line) ?? []);
      if (rest.length <= "data: ".length + maxCharacters) return data;
      const unfinished = pieces(rest);
      // A comment: what follows up to the line's end is passed over as well.
      rest = unfinished === null ? ":" : `data: ${unfinished.pop()}`;
      return unfinished === null ? data : [...data, ...unfinished];
    },
  };
}

/** A cut after one would leave two halves of a character. */
function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}
