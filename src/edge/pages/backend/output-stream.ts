import { sseEvent, sseHeaders } from "../../../protocol/sse.ts";
import { pulledStream } from "../../streams/pulled-stream.ts";
import { eventsWhileAdmitted, type StillAdmitted } from "../../streams/while-admitted.ts";
import { closeEvent, retryingEvent } from "../frame/stream-events.ts";
import type { View } from "../frame/view.ts";
import { fragment } from "../frame/view.ts";
import type { OutputBatches } from "./output-batches.ts";
import type { OutputRenderer } from "./output-renderer.ts";

type Html = View["body"];

const reconnectAfterMs = 2_000;

/**
 * Streams output to a page. The page reconnects where the output ends while its backend lives, and where the visitor
 * may not see it any more, but not after the output of a terminated backend.
 */
export function outputAnswer(
  batches: OutputBatches,
  renderer: OutputRenderer,
  isAdmitted: StillAdmitted,
): Response {
  const encoder = new TextEncoder();
  let isOpened = false;

  async function nextEvent(): Promise<string | null> {
    for (;;) {
      const lines = await batches.next();
      if (lines === null) return null;
      const html = renderer.render(lines);
      if (html !== null) return sseEvent(await fragment(html));
    }
  }

  const events = pulledStream({
    async next() {
      if (!isOpened) {
        isOpened = true;
        const opening = retryingEvent(await fragment(renderer.opening), reconnectAfterMs);
        return { items: [encoder.encode(opening)] };
      }
      const event = await nextEvent();
      if (event !== null) return { items: [encoder.encode(event)] };
      const closing = renderer.closing();
      if (closing === null) return { items: [], isLast: true };
      return { items: [encoder.encode(sseEvent(await fragment(closing)) + closeEvent)], isLast: true };
    },
    release: (reason) => batches.cancel(reason),
  });
  return eventsWhileAdmitted(events, isAdmitted);
}

/**
 * Answers with the reason why there is no output.
 * @param retryAfterMs when the page reconnects; null for never
 */
export async function noOutputAnswer(why: Html, retryAfterMs: number | null): Promise<Response> {
  const html = await fragment(why);
  const event = retryAfterMs === null ? sseEvent(html) + closeEvent : retryingEvent(html, retryAfterMs);
  return new Response(event, { headers: sseHeaders });
}
