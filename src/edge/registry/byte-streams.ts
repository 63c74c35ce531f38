import { blobStoreTimeoutMs } from "../../domain/limits.ts";
import { inTime } from "../../objects/failures/in-time.ts";

/** Buffer size for bytes that only pass through: few reads, and little memory for each of many streams. */
const handedThroughBytes = 256 * 1024;

/**
 * Splits the concatenation of streams into pieces of `size` bytes; the last one is shorter, and may be empty. Holds one
 * piece in memory at a time, beside those that the caller keeps.
 * @param atMost reads no further than one byte more: the pieces are then longer than that together, and are the last
 */
export async function* piecesOf(
  streams: readonly ReadableStream<Uint8Array>[],
  size: number,
  atMost = Number.POSITIVE_INFINITY,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  let buffer = new ArrayBuffer(size);
  let filled = 0;
  let left = atMost + 1;
  for (const stream of streams) {
    const reader = stream.getReader({ mode: "byob" });
    for (;;) {
      const missing = Math.min(size - filled, left);
      const { value, done } = await reader.readAtLeast(missing, new Uint8Array(buffer, filled, missing));
      if (value) {
        buffer = value.buffer;
        filled += value.byteLength;
        left -= value.byteLength;
      } else if (filled > 0) {
        throw new Error("the stream ended and kept its buffer");
      } else {
        buffer = new ArrayBuffer(size);
      }
      if (filled === size) {
        yield new Uint8Array(buffer);
        buffer = new ArrayBuffer(size);
        filled = 0;
      }
      if (done) break;
      if (left <= 0) {
        await reader.cancel();
        break;
      }
    }
    if (left <= 0) break;
  }
  yield new Uint8Array(buffer, 0, filled);
}

/**
 * Copies a stream to several others, at the pace of the slowest. When one fails, or takes nothing for as long as a blob store
 * may, all are aborted.
 */
export async function copyTo(
  stream: ReadableStream<Uint8Array>,
  writables: readonly WritableStream<Uint8Array>[],
): Promise<void> {
  const reader = stream.getReader({ mode: "byob" });
  const writers = writables.map((writable) => writable.getWriter());
  try {
    let buffer = new ArrayBuffer(handedThroughBytes);
    for (;;) {
      const { value, done } = await reader.readAtLeast(handedThroughBytes, new Uint8Array(buffer));
      if (value && value.byteLength > 0) {
        await inTime(Promise.all(writers.map((writer) => writer.write(value))), blobStoreTimeoutMs);
      }
      if (done) break;
      buffer = value.buffer;
    }
    await Promise.all(writers.map((writer) => writer.close()));
  } catch (error) {
    await Promise.allSettled([reader.cancel(error), ...writers.map((writer) => writer.abort(error))]);
    throw error;
  }
}
