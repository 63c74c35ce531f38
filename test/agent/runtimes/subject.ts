import type { Runtime, RuntimeImage } from "../../../src/agent/runtimes/runtime.ts";

/**
 * What the images of a runtime under test do. All of them end with 128 and the signal's number on a signal that they
 * do not handle.
 */
export type ImageName =
  /** Answers every HTTP request on `$PORT` with 200; before it listens it prints `serving`. */
  | "serve"
  /** Prints its environment, `NAME=value` a line, and ends with 0. */
  | "env"
  /** Prints `bye` without a line end, and ends with `$CODE`. */
  | "exit"
  /** Prints `ready`; on SIGTERM prints `ending` and ends with 5. */
  | "handle-sigterm"
  /** Prints `ready`; on SIGTERM prints `not yet` and runs on. */
  | "ignore-sigterm"
  /** Starts a descendant that does what `serve` does and ignores SIGTERM; ends with 6 on SIGTERM. */
  | "descendant"
  /** Prints each blank-separated word of `$WORDS` as `printf WORD` does (`\n`, `\303`), 0.1 s apart, and ends with 0. */
  | "say"
  /** Prints `out 1`, `err 1`, `out 2`, `err 2`, each to the stream of that name, 0.1 s apart, and ends with 0. */
  | "streams"
  /** Prints `x` `$LENGTH` times and a line end, and ends with 0. */
  | "long-line"
  /** Prints `line <n> ` and 100 times `x` for each n from 1 to `$COUNT` as fast as it can, and ends with 0. */
  | "many-lines"
  /** Prints the file `text` of its image, and whether there is one that is called `added`; changes the one, adds the other, prints `marked` and stays. */
  | "mark"
  /** Keeps one processor busy. */
  | "busy"
  /** Is in the registry, but its program is not in it. */
  | "unstartable"
  /** Is in no registry. */
  | "missing";

export interface RuntimeSubject {
  /** A place with nothing in it. Disposing of it ends all that runs there. */
  makePlace(): Promise<RuntimePlace>;
  images: Readonly<Record<ImageName, RuntimeImage>>;
}

/** Where a runtime keeps what it has: a folder, a label on containers. */
export interface RuntimePlace extends AsyncDisposable {
  /** A runtime made anew over this place, each time. */
  open(): Runtime | Promise<Runtime>;
  /** The labels of a backend as somebody would see them who looks for them. */
  labelsOf(backendId: string): Promise<Readonly<Record<string, string>>>;
}
