import { blobPartBytes, blobStoreTimeoutMs } from "../../domain/limits.ts";
import { bringsBytes, type PartNumbers, type UploadState, wayToStore } from "../../domain/registry/upload.ts";
import { type BlobStore, StoreUnavailable, UploadLost } from "../../objects/blobs/blob-store.ts";
import type { Upload } from "../../objects/contract.ts";
import { inTime } from "../../objects/failures/in-time.ts";
import { type DigestAlgorithm, formatDigest, webCryptoName } from "../../protocol/oci/digest.ts";
import { copyTo } from "./byte-streams.ts";
import type { PartDoor } from "./part-room.ts";
import { type Aside, type Piece, PieceReader } from "./piece-reader.ts";

/** The body of a request and its `Content-Length`, null where it has none. */
export interface Incoming {
  body: ReadableStream<Uint8Array> | null;
  length: number | null;
}

export interface ReceivePorts {
  store: BlobStore;
  room: PartDoor;
  /**
   * Records a multipart upload before its first part is stored.
   * @returns that of the request that was the first to do so, null where the upload has been advanced
   */
  beginMultipart(multipartId: string): Promise<string | null>;
  /** Numbers for parts beyond `Upload.numbers`; null where there are none. */
  moreParts(): Promise<PartNumbers | null>;
}

/** Another request has advanced the same upload meanwhile. */
export type Overtaken = "overtaken";

/** The request has brought more than `Upload.room`; what is left of it was not read. */
export type TooMuch = "too much";

/**
 * Stores more bytes of an upload in the blob store. They count only once the returned state is recorded. Throws `UploadLost`
 * where nothing can be added to what the upload has stored.
 * @param algorithm hashes the bytes as they pass, which works only for an upload in one request
 */
export async function receive(
  ports: ReceivePorts,
  upload: Upload,
  { body, length }: Incoming,
  algorithm: DigestAlgorithm,
): Promise<UploadState | Overtaken | TooMuch> {
  if (body === null || !bringsBytes(true, length)) return upload.state;
  return wayToStore(upload.state, length) === "put" && length !== null
    ? receiveWhole(ports.store, upload, body, length, algorithm)
    : receiveInParts(ports, upload, body, algorithm);
}

async function receiveWhole(
  store: BlobStore,
  upload: Upload,
  body: ReadableStream<Uint8Array>,
  length: number,
  algorithm: DigestAlgorithm,
): Promise<UploadState> {
  const key = chunkKeyOf(upload);
  const hash = new crypto.DigestStream(webCryptoName(algorithm));
  const { readable, writable } = new FixedLengthStream(length);
  const stored = store.put(key, readable, length);
  const copied = copyTo(body, [hash, writable]);
  const [digest] = await Promise.all([
    hash.digest,
    stored,
    copied.then(() => inTime(stored, blobStoreTimeoutMs)),
  ]);
  return { ...upload.state, offset: length, tail: { key, length }, digest: formatDigest(algorithm, digest) };
}

async function receiveInParts(
  ports: ReceivePorts,
  upload: Upload,
  body: ReadableStream<Uint8Array>,
  algorithm: DigestAlgorithm,
): Promise<UploadState | Overtaken | TooMuch> {
  const { store, room } = ports;
  const { tail, offset } = upload.state;
  const known = offset - (tail?.length ?? 0);
  const allowed = offset + (upload.room ?? Number.POSITIVE_INFINITY);
  const before = tail ? () => storedUnder(store, tail.key) : undefined;
  const aside = asideUnder(store, chunkKeyOf(upload));
  const options = { room, size: blobPartBytes, atMost: allowed - known, aside };
  const pieces = new PieceReader({ before, body }, options);
  try {
    return await storePieces(ports, upload, pieces, { known, allowed, algorithm });
  } finally {
    await pieces.close();
  }
}

/** @param from `known` is how many bytes lie in parts already, `allowed` how many there may be */
async function storePieces(
  { store, beginMultipart, moreParts }: ReceivePorts,
  upload: Upload,
  pieces: PieceReader,
  { known, allowed, algorithm }: { known: number; allowed: number; algorithm: DigestAlgorithm },
): Promise<UploadState | Overtaken | TooMuch> {
  const { state, key } = upload;
  const hasher = state.offset === 0 ? new crypto.DigestStream(webCryptoName(algorithm)) : null;
  const hashing = hasher?.getWriter();
  const parts = [...state.parts];
  let { multipartId } = state;
  let numbers = numbersOf(upload);
  let offset = known;
  let piece = await pieces.next();
  while (piece.bytes.byteLength === blobPartBytes) {
    if (offset + piece.bytes.byteLength > allowed) return "too much";
    if (multipartId === null) {
      const begun = await store.createMultipart(key);
      multipartId = await beginMultipart(begun);
      if (multipartId !== begun) await store.abortMultipart(key, begun);
      if (multipartId === null) return "overtaken";
    }
    if (numbers.count === 0) {
      const more = await moreParts();
      if (!more) return "overtaken";
      numbers = more;
    }
    offset += piece.bytes.byteLength;
    const part = numbers.first;
    const stored = store.putPart(key, multipartId, part, piece.bytes);
    const done = lettingGo(piece, Promise.all([stored, hashing?.write(piece.bytes)]));
    // The next piece arrives while this one is stored.
    const [[etag], next] = await Promise.all([done, pieces.next()]);
    parts.push({ part, etag });
    numbers = { first: part + 1, count: numbers.count - 1 };
    piece = next;
  }
  const { bytes } = piece;
  offset += bytes.byteLength;
  if (offset > allowed) return "too much";
  await hashing?.write(bytes);
  await hashing?.close();
  const digest = hasher ? formatDigest(algorithm, await hasher.digest) : null;
  const partsGranted = numbers.first + numbers.count - 1;
  const received = { offset, multipartId, parts, partsGranted, digest };
  if (bytes.byteLength === 0) return { ...received, tail: null };
  const tail = { key: chunkKeyOf(upload), length: bytes.byteLength };
  await store.put(tail.key, bytes, tail.length);
  return { ...received, tail };
}

/** What comes of something that needs a piece, which is let go of then. */
async function lettingGo<T>(piece: Piece, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } finally {
    piece.letGo();
  }
}

async function storedUnder(store: BlobStore, key: string): Promise<ReadableStream<Uint8Array>> {
  const stream = await store.get(key);
  if (!stream) throw new UploadLost(`the blob store has lost ${key}`);
  return stream;
}

/** A place in the store for what has come of a piece, under a key that the attempt has anyway for its tail. */
function asideUnder(store: BlobStore, key: string): Aside {
  return {
    put: (bytes) => store.put(key, bytes, bytes.byteLength),
    async get() {
      const stream = await store.get(key);
      if (!stream) throw new StoreUnavailable(`the blob store has lost ${key}`);
      return stream;
    },
  };
}

/**
 * Joins an upload's bytes under one key, and reads them back to hash them unless they were hashed as they passed. Throws
 * `UploadLost` where they cannot be joined.
 * @param upload with the numbers of the attempt that joins them
 * @returns their key and digest
 */
export async function assemble(
  ports: Pick<ReceivePorts, "store" | "room" | "moreParts">,
  upload: Upload,
  algorithm: DigestAlgorithm,
): Promise<{ key: string; digest: string }> {
  const { state } = upload;
  const { key, isMine } = await joinParts(ports, upload);
  if (isMine && state.digest?.startsWith(`${algorithm}:`)) return { key, digest: state.digest };
  const stream = await storedUnder(ports.store, key);
  const hasher = new crypto.DigestStream(webCryptoName(algorithm));
  await copyTo(stream, [hasher]);
  return { key, digest: formatDigest(algorithm, await hasher.digest) };
}

/** @returns `isMine` where the bytes are sure to be those of this attempt */
async function joinParts(
  { store, room, moreParts }: Pick<ReceivePorts, "store" | "room" | "moreParts">,
  upload: Upload,
): Promise<{ key: string; isMine: boolean }> {
  const { key, state } = upload;
  const { multipartId, tail, offset } = state;
  if (multipartId === null || state.parts.length === 0) {
    if (tail) return { key: tail.key, isMine: true };
    const emptyKey = chunkKeyOf(upload);
    await store.put(emptyKey, new Uint8Array(0), 0);
    return { key: emptyKey, isMine: true };
  }
  try {
    const parts = [...state.parts];
    if (tail) {
      const part = unusedNumber(upload) ?? (await moreParts())?.first;
      if (part === undefined) throw new UploadLost(`there is no number for the end of ${key}`);
      // Behind parts, a tail is shorter than one.
      const before = () => storedUnder(store, tail.key);
      const pieces = new PieceReader({ before }, { room, size: blobPartBytes });
      try {
        const { bytes } = await pieces.next();
        parts.push({ part, etag: await store.putPart(key, multipartId, part, bytes) });
      } finally {
        await pieces.close();
      }
    }
    await store.completeMultipart(key, multipartId, parts);
    return { key, isMine: true };
  } catch (error) {
    // An attempt before this one, or beside it, may have joined them and been interrupted before it was recorded.
    if (error instanceof UploadLost && (await store.size(key)) === offset) return { key, isMine: false };
    throw error;
  }
}

/** One of the numbers of an attempt that none of its parts has. */
function unusedNumber(upload: Upload): number | undefined {
  const used = upload.state.parts.at(-1)?.part ?? 0;
  const first = Math.max(numbersOf(upload).first, used + 1);
  return first <= upload.state.partsGranted ? first : undefined;
}

function numbersOf({ numbers }: Upload): PartNumbers {
  if (numbers === null) throw new Error("the upload has no numbers for parts");
  return numbers;
}

function chunkKeyOf({ chunkKey }: Upload): string {
  if (chunkKey === null) throw new Error("the upload has no key for a chunk");
  return chunkKey;
}
