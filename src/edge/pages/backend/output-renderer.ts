import type { Html } from "../frame/view.ts";

/** Renders a stream of output for a page. */
export interface OutputRenderer {
  /** Sent before anything else. */
  opening: Html;
  /** Renders lines; null where none of them can be shown. */
  render(lines: readonly string[]): Html | null;
  /** Sent after the output of a terminated backend, which is final; null while the backend lives. */
  closing(): Html | null;
}
