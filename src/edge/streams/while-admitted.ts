import { budgetSpent, unreached } from "../../objects/failures/unreached.ts";
import { sseHeaders } from "../../protocol/sse.ts";
import { withKeepAlive } from "./keep-alive.ts";
import { pulledStream } from "./pulled-stream.ts";

/** Whether a stream's reader may still have what it was admitted to, at the moment when it is called. */
export type StillAdmitted = () => Promise<boolean>;

/**
 * A stream that its reader has for as long as it is admitted: that is checked before each chunk, and the stream ends
 * where it is not so, or cannot be found out now. Its source is cancelled then.
 */
export function whileAdmitted(
  chunks: ReadableStream<Uint8Array>,
  isAdmitted: StillAdmitted,
): ReadableStream<Uint8Array> {
  const reader = chunks.getReader();
  return pulledStream({
    async next() {
      const { done, value } = await reader.read();
      if (done || !(await isKnownToBe(isAdmitted))) return { items: [], isLast: true };
      return { items: [value] };
    },
    release: (reason) => reader.cancel(reason),
  });
}

/**
 * The answer that streams server-sent events to whoever is admitted to them, and keeps it alive. A credential that
 * ends, ends it within the time of the token cache and of one keep-alive, also where there are no events.
 */
export function eventsWhileAdmitted(
  events: ReadableStream<Uint8Array>,
  isAdmitted: StillAdmitted,
  keepAliveEveryMs?: number,
): Response {
  const stream = whileAdmitted(withKeepAlive(events, keepAliveEveryMs), isAdmitted);
  return new Response(stream, { headers: sseHeaders });
}

async function isKnownToBe(isAdmitted: StillAdmitted): Promise<boolean> {
  try {
    return await isAdmitted();
  } catch (error) {
    if (!unreached(error) && !budgetSpent(error)) throw error;
    return false;
  }
}
