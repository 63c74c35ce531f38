import type { HtmlEscapedString } from "hono/utils/html";

/** HTML that is ready to be sent: all text in it is escaped. */
export type Html = HtmlEscapedString | Promise<HtmlEscapedString>;

/** What a page shows. */
export interface View {
  title: string;
  body: Html;
  /** Shown below the body, and not rendered again with it: for parts with streams of their own. */
  below?: Html;
  /** The pages above it, outermost first. */
  trail?: readonly { text: string; path: string }[];
  /** Whether it will not change any more, so that it need not be live. */
  isFinal?: boolean;
}

/** HTML as text: what a stream sends to a page. */
export async function fragment(html: Html): Promise<string> {
  return String(await html.toString());
}
