import { sseEvent, sseHeaders } from "../../../protocol/sse.ts";

/** Of the event after which a page does not connect to its stream again, in `hx-sse:close`. */
export const overName = "over";

/** Ends a stream for good: one that merely ends is connected to again. */
export const overEvent = `event: ${overName}\n${sseEvent("")}`;

/** @param ms how long after its end the page is to wait before it connects to the stream again */
export function retryingEvent(data: string, ms: number): string {
  return `retry: ${ms}\n${sseEvent(data)}`;
}

/** Whether a page's script requests a stream, rather than a person something to look at. */
export function wantsEvents(request: Request): boolean {
  return request.headers.get("accept")?.includes("text/event-stream") ?? false;
}

/** The answer to a page's script where there is nobody to stream to any more. */
export function overAnswer(): Response {
  return new Response(overEvent, { headers: sseHeaders });
}
