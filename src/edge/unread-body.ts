import { unreadBodyMaxBytes, unreadBodyPauseMs } from "../domain/limits.ts";

const readWhole = new WeakSet<Request>();

/** Notes that a body is read in one piece. It is not looked at then: the runtime would make a stream of it to show that nothing is left. */
export function noteReadWhole(request: Request): void {
  readWhole.add(request);
}

/**
 * Reads what is left of a request's body and drops it: up to `unreadBodyMaxBytes`, and not beyond a pause of
 * `unreadBodyPauseMs`. A server that answers and closes while its client still sends loses the answer on its way, and the
 * client tries the same again.
 */
export async function readRest(request: Request): Promise<void> {
  if (readWhole.has(request)) return;
  const { body } = request;
  if (!body || body.locked) return;
  const reader = body.getReader();
  for (let left = unreadBodyMaxBytes; left > 0; ) {
    const bytes = await nextBytes(reader);
    if (bytes === "end") return;
    if (bytes === "pause") break;
    left -= bytes.byteLength;
  }
  await reader.cancel();
}

async function nextBytes(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<Uint8Array | "end" | "pause"> {
  const pause = Promise.withResolvers<"pause">();
  const timer = setTimeout(() => pause.resolve("pause"), unreadBodyPauseMs);
  try {
    const read = reader.read().then(({ value }) => value ?? "end");
    return await Promise.race([read, pause.promise]);
  } finally {
    clearTimeout(timer);
  }
}
