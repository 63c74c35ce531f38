import { sseEvent, sseHeaders } from "../../../protocol/sse.ts";

/** Name of the event after which a page does not reconnect to its stream, for `hx-sse:close`. */
export const closeEventName = "over";

/** Ends a stream for good: htmx reconnects to one that merely ends. */
export const closeEvent = `event: ${closeEventName}\n${sseEvent("")}`;

/** @param ms how long the page waits to reconnect after the stream has ended */
export function retryingEvent(data: string, ms: number): string {
  return `retry: ${ms}\n${sseEvent(data)}`;
}

/** Whether a request is a page's script opening a stream, rather than a navigation. */
export function wantsEvents(request: Request): boolean {
  return request.headers.get("accept")?.includes("text/event-stream") ?? false;
}

/** The answer that makes a page's script stop reconnecting. */
export function closeAnswer(): Response {
  return new Response(closeEvent, { headers: sseHeaders });
}
