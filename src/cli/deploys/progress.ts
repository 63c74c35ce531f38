import { printable } from "../output.ts";

/** Says on stderr what a command waits for. */
export interface Progress {
  /** The same text again is not said again. */
  show(text: string): void;
  /** What comes next is printed as if nothing had been. */
  end(): void;
}

/** Where progress is shown: a terminal, or whatever stderr is. */
interface Shown {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/** On a terminal one line that is written anew; elsewhere a line for each text, without escape sequences. */
export function progressOn(stream: Shown): Progress {
  let last: string | null = null;
  const clear = "\r\u001b[K";
  return {
    show(text) {
      if (text === last) return;
      last = text;
      const line = printable(text).replace(/\s+/g, " ");
      // A line that the terminal breaks cannot be taken back.
      stream.write(
        stream.isTTY ? clear + line.slice(0, Math.max((stream.columns ?? 80) - 1, 1)) : `${line}\n`,
      );
    },
    end() {
      if (stream.isTTY && last !== null) stream.write(clear);
    },
  };
}
