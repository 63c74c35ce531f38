import { unreadBodyMaxBytes, unreadBodyPauseMs } from "../domain/limits.ts";

/**
 * Reads what is left of a request's body and drops it: up to `unreadBodyMaxBytes`, and not beyond a pause of
 * `unreadBodyPauseMs`. A server that answers and closes while its client still sends loses the answer on its way, and the
 * client tries the same again.
 */
export async function readRest({ body }: Request): Promise<void> {
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
