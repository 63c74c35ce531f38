import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";

/** How a compressed file begins (RFC 1952, RFC 8878). */
const gzipMagic = Buffer.from([0x1f, 0x8b]);
const zstdMagic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** Counts the bytes of a layer's archive as they are decompressed. @throws where there are too many */
export type ByteCount = (compressedBytes: number, bytes: number) => void;

/**
 * Streams a layer's archive, decompressed where it is compressed: its first bytes decide, since media types are
 * often wrong.
 * @param count is called for each piece before it is read
 * @param read is given the archive and reads all of it
 * @returns the digest of the archive by the algorithm given
 */
export async function readLayer(
  path: string,
  algorithm: string,
  count: ByteCount,
  read: (archive: AsyncIterable<Buffer>) => Promise<void>,
  signal: AbortSignal,
): Promise<string> {
  const hash = createHash(algorithm);
  const { size } = await stat(path);
  const compression = await compressionOf(path);
  await pipeline(
    compression === "zstd" ? Readable.from(zstdFrames(path)) : createReadStream(path),
    compression === "gzip" ? createGunzip() : new PassThrough(),
    async (archive: AsyncIterable<Buffer>) => {
      await read(
        tapped(archive, (chunk) => {
          count(size, chunk.length);
          hash.update(chunk);
        }),
      );
    },
    { signal },
  );
  return `${algorithm}:${hash.digest("hex")}`;
}

async function compressionOf(path: string): Promise<"gzip" | "zstd" | null> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(zstdMagic.length), 0, zstdMagic.length, 0);
    const start = buffer.subarray(0, bytesRead);
    if (start.subarray(0, gzipMagic.length).equals(gzipMagic)) return "gzip";
    return start.equals(zstdMagic) ? "zstd" : null;
  } finally {
    await file.close();
  }
}

/** Decompresses frame after frame: Node stops, as if it were the end, after the first, and some tools write many. */
async function* zstdFrames(path: string): AsyncGenerator<Buffer> {
  const { size } = await stat(path);
  for (let offset = 0; offset < size; ) {
    const frame = createZstdDecompress();
    const file = createReadStream(path, { start: offset });
    file.once("error", (error) => frame.destroy(error));
    try {
      yield* file.pipe(frame);
    } finally {
      file.destroy();
    }
    if (frame.bytesWritten === 0) throw new Error("there is no zstd frame where one should begin");
    offset += frame.bytesWritten;
  }
}

async function* tapped(bytes: AsyncIterable<Buffer>, tap: (chunk: Buffer) => void) {
  for await (const chunk of bytes) {
    tap(chunk);
    yield chunk;
  }
}
