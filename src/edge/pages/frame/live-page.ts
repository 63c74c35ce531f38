import { sseEvent } from "../../../protocol/sse.ts";
import { pulledStream } from "../../streams/pulled-stream.ts";
import { eventsWhileAdmitted, type StillAdmitted } from "../../streams/while-admitted.ts";
import type { Page } from "./page.ts";
import type { AnyPageCall } from "./page-call.ts";
import { closeEvent } from "./stream-events.ts";
import { fragment } from "./view.ts";

/** Changes within this time are shown by one rendering. */
const gatherMs = 200;

/**
 * Streams the states of an open page: it is rendered again after each chunk of its `changes`, and sent if it differs
 * from what was sent last. Ends for good with a final view. Also ends when the changes end, when the visitor may not
 * see the page any more, and when it cannot be shown: the page then reconnects, and the answer says whether to stop.
 * @param isAdmitted checked before each rendering, and before each chunk that is sent
 */
export function livePage(page: Page, call: AnyPageCall, isAdmitted: StillAdmitted): Response {
  return eventsWhileAdmitted(pageChanges(page, call, isAdmitted), isAdmitted);
}

function pageChanges(page: Page, call: AnyPageCall, isAdmitted: StillAdmitted): ReadableStream<Uint8Array> {
  const changes = page.changes?.(call).getReader();
  const encoder = new TextEncoder();
  let last = "";
  let isFinal = false;
  let gathered = Promise.resolve();
  // Rendered once at the start, for what changed since the page itself was rendered.
  let change: Promise<{ done: boolean }> = Promise.resolve({ done: changes === undefined });

  async function nextChange(): Promise<string | null> {
    for (;;) {
      if (isFinal || (await change).done || !(await isAdmitted())) return null;
      change = changes?.read() ?? Promise.resolve({ done: true });
      const shown = await page.show(call);
      if (!shown.ok) return null;
      isFinal = shown.value.isFinal ?? false;
      const html = await fragment(shown.value.body);
      if (html !== last) {
        last = html;
        return html;
      }
    }
  }

  return pulledStream({
    async next() {
      await gathered;
      const html = await nextChange();
      if (html === null) return { items: isFinal ? [encoder.encode(closeEvent)] : [], isLast: true };
      gathered = new Promise((resolve) => setTimeout(resolve, gatherMs));
      return { items: [encoder.encode(sseEvent(html))] };
    },
    release: (reason) => changes?.cancel(reason),
  });
}
