import { sseEvent, sseHeaders } from "../../../protocol/sse.ts";
import { withKeepAlive } from "../../streams/keep-alive.ts";
import { overEvent, retryingEvent } from "../frame/stream-events.ts";
import type { View } from "../frame/view.ts";
import { fragment } from "../frame/view.ts";
import type { OutputBatches } from "./output-batches.ts";
import type { OutputRenderer } from "./output-renderer.ts";

type Html = View["body"];

const reconnectAfterMs = 2_000;

/**
 * Streams output to a page. Where it ends while its backend lives, and where the visitor may not see it any more, the
 * page connects again; after the output of a backend that has ended it does not.
 */
export function outputAnswer(
  batches: OutputBatches,
  renderer: OutputRenderer,
  isAdmitted: () => Promise<boolean>,
): Response {
  const encoder = new TextEncoder();
  let isOpened = false;
  let isLeft = false;

  async function nextEvent(): Promise<string | null> {
    if (!isOpened) {
      isOpened = true;
      return retryingEvent(await fragment(renderer.opening), reconnectAfterMs);
    }
    for (;;) {
      const lines = await batches.next();
      if (lines === null || !(await isAdmitted())) return null;
      const html = renderer.render(lines);
      if (html !== null) return sseEvent(await fragment(html));
    }
  }

  const events = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const event = await nextEvent();
        if (isLeft) return;
        if (event !== null) return controller.enqueue(encoder.encode(event));
        const closing = renderer.closing();
        if (closing !== null)
          controller.enqueue(encoder.encode(sseEvent(await fragment(closing)) + overEvent));
        controller.close();
        await batches.cancel();
      },
      cancel(reason) {
        isLeft = true;
        return batches.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(withKeepAlive(events), { headers: sseHeaders });
}

/**
 * Tells a page why there is no output.
 * @param retryAfterMs when the page is to connect again; null where that is of no use
 */
export async function noOutputAnswer(why: Html, retryAfterMs: number | null): Promise<Response> {
  const html = await fragment(why);
  const event = retryAfterMs === null ? sseEvent(html) + overEvent : retryingEvent(html, retryAfterMs);
  return new Response(event, { headers: sseHeaders });
}
