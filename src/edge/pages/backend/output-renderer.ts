import type { Html } from "../frame/view.ts";

/** What a stream of output becomes on a page. */
export interface OutputRenderer {
  /** Sent before anything else. */
  opening: Html;
  /** What lines become; null where none of them can be shown. */
  render(lines: readonly string[]): Html | null;
  /** Sent at the end of the output of a backend that has ended, after which nothing will come; null while it lives. */
  closing(): Html | null;
}
