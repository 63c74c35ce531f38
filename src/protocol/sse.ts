/**
 * One event of a stream that the Jamsocket clients read: `data:` and a blank line, nothing else. Their parsers
 * neither join chunks nor know comments, ids or event names, so an event must be written in one piece. A text of
 * several lines is several `data:` lines, since a bare line end would begin another field or event
 * (WHATWG HTML 9.2.6, "Interpreting an event stream").
 * @param data a text as it is, anything else as its JSON
 * @example sseEvent({ status: "ready" }) // 'data: {"status":"ready"}\n\n'
 */
export function sseEvent(data: unknown): string {
  const lines = (typeof data === "string" ? data : JSON.stringify(data)).split(/\r\n|\r|\n/);
  return `${lines.map((line) => `data: ${line}\n`).join("")}\n`;
}

/**
 * One event with an id, which a client sends as `Last-Event-ID` when it reconnects. Not for the Jamsocket clients.
 * @param id without line ends
 */
export function sseEventWithId(id: string, data: unknown): string {
  return `id: ${id}\n${sseEvent(data)}`;
}

/**
 * A text as one event for each of its lines: of an event of several lines, the Jamsocket CLI shows the first only.
 * @example sseLineEvents("a\r\nb") // "data: a\n\ndata: b\n\n"
 */
export function sseLineEvents(text: string): string {
  return text
    .split(/\r\n|\r|\n/)
    .map(sseEvent)
    .join("");
}

/** The headers of every event stream. `no-transform` and `x-accel-buffering` keep proxies from holding events back. */
export const sseHeaders = {
  "content-type": "text/event-stream",
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
} as const;
