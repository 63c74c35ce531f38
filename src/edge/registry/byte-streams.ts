/** Of bytes that are only handed through: enough that few reads are needed, little enough for many streams. */
const handedThroughBytes = 256 * 1024;

/**
 * Cuts streams, one after the other, to pieces of `size` bytes; the last one is shorter, and may be empty. One piece
 * is in memory at a time, beside those that the caller holds on to.
 */
export async function* piecesOf(
  streams: readonly ReadableStream<Uint8Array>[],
  size: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  let buffer = new ArrayBuffer(size);
  let filled = 0;
  for (const stream of streams) {
    const reader = stream.getReader({ mode: "byob" });
    for (;;) {
      const missing = size - filled;
      const { value, done } = await reader.readAtLeast(missing, new Uint8Array(buffer, filled, missing));
      if (value) {
        buffer = value.buffer;
        filled += value.byteLength;
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
    }
  }
  yield new Uint8Array(buffer, 0, filled);
}

/** Writes all of a stream to several others, at the pace of the slowest. When one fails, all are given up. */
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
        await Promise.all(writers.map((writer) => writer.write(value)));
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
