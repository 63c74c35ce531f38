import type { HtmlEscapedString } from "hono/utils/html";

/** HTML that is ready to be sent: everything in it is escaped. */
export type Html = HtmlEscapedString | Promise<HtmlEscapedString>;

/** What a page shows. */
export interface View {
  title: string;
  body: Html;
  /** What has streams of its own, below the body: it stays as it is while the body is made again. */
  below?: Html;
  /** The pages above it, outermost first. */
  trail?: readonly { text: string; path: string }[];
  /** Nothing of it will change any more, so that nobody needs to follow it. */
  isFinal?: boolean;
}

/** HTML as text: what a stream sends to a page. */
export async function fragment(html: Html): Promise<string> {
  return String(await html.toString());
}
