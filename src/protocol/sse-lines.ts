/** A line end of the HTML standard (9.2.6); of CRLF it makes an empty line more, which says nothing. */
const lineEnd = /[\r\n]/;

/**
 * Takes the text of the `data:` lines out of an event stream that comes in pieces, cut anywhere. Where an event is
 * one line, as in streams of output and metrics, its end need not be waited for. Everything else is passed over.
 * @param maxCharacters a longer line is given in pieces of this length, so that one without an end fills no memory
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
      const begun = pieces(rest);
      // A comment: what follows up to the line's end is passed over as well.
      rest = begun === null ? ":" : `data: ${begun.pop()}`;
      return begun === null ? data : [...data, ...begun];
    },
  };
}

/** A cut after one would leave two halves that are no characters. */
function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}
