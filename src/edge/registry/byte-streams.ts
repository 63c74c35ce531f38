import { blobStoreTimeoutMs } from "../../domain/limits.ts";
import { inTime } from "../../objects/failures/in-time.ts";

/** Buffer size for bytes that only pass through: few reads, and little memory for each of many streams. */
const handedThroughBytes = 256 * 1024;

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
