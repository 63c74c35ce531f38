import { unreadBodyMaxBytes, unreadBodyPauseMs } from "../domain/limits.ts";

/** Whose bodies were read in one piece: the runtime makes a stream of a body that is looked at, even to see that it was read. */
const readWhole = new WeakSet<Request>();

/** Reads a body in one piece, which leaves nothing of it. */
export function readInOne(request: Request): Promise<ArrayBuffer> {
  readWhole.add(request);
  return request.arrayBuffer();
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
