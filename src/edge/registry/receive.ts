import { blobPartBytes, blobStoreTimeoutMs } from "../../domain/limits.ts";
import { bringsBytes, type UploadState, wayToStore } from "../../domain/registry/upload.ts";
import type { BlobStore } from "../../objects/blobs/blob-store.ts";
import type { Upload } from "../../objects/contract.ts";
import { inTime } from "../../objects/failures/in-time.ts";
import { type DigestAlgorithm, formatDigest, webCryptoName } from "../../protocol/oci/digest.ts";
import { copyTo, piecesOf } from "./byte-streams.ts";

/** The body of a request and its `Content-Length`, null where it has none. */
export interface Incoming {
  body: ReadableStream<Uint8Array> | null;
  length: number | null;
}

export interface ReceivePorts {
  store: BlobStore;
  /** Records a multipart upload before its first part is stored. @returns false where another request was faster */
  beginMultipart(multipartId: string): Promise<boolean>;
}

/** Another request has advanced the same upload meanwhile. */
export type Overtaken = "overtaken";

/** The request has brought more than `Upload.room`; what is left of it was not read. */
export type TooMuch = "too much";

/**
 * Stores more bytes of an upload in the blob store. They count only once the returned state is recorded: the next
 * attempt overwrites what an interrupted one has stored.
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
  { store, beginMultipart }: ReceivePorts,
  upload: Upload,
  body: ReadableStream<Uint8Array>,
  algorithm: DigestAlgorithm,
): Promise<UploadState | Overtaken | TooMuch> {
  const { state, key, room } = upload;
  const before = state.tail ? await store.get(state.tail.key) : null;
  if (state.tail && !before) throw new Error(`the blob store has lost ${state.tail.key}`);
  const allowed = state.offset + (room ?? Number.POSITIVE_INFINITY);
  const known = state.offset - (state.tail?.length ?? 0);
  const pieces = piecesOf(before ? [before, body] : [body], blobPartBytes, allowed - known);
  const hasher = state.offset === 0 ? new crypto.DigestStream(webCryptoName(algorithm)) : null;
  const hashing = hasher?.getWriter();
  const hash = async (piece: Uint8Array) => hashing?.write(piece);

  const partEtags = [...state.partEtags];
  let { multipartId } = state;
  let offset = known;
  let piece = await nextPiece(pieces);
  while (piece.byteLength === blobPartBytes) {
    if (offset + piece.byteLength > allowed) return "too much";
    if (multipartId === null) {
      multipartId = await store.createMultipart(key);
      if (!(await beginMultipart(multipartId))) {
        await store.abortMultipart(key, multipartId);
        return "overtaken";
      }
    }
    offset += piece.byteLength;
    // The next piece arrives while this one is stored.
    const stored = store.putPart(key, multipartId, partEtags.length + 1, piece);
    const [etag, next] = await Promise.all([stored, nextPiece(pieces), hash(piece)]);
    partEtags.push(etag);
    piece = next;
  }
  offset += piece.byteLength;
  if (offset > allowed) return "too much";
  await hash(piece);
  await hashing?.close();
  const digest = hasher ? formatDigest(algorithm, await hasher.digest) : null;
  if (piece.byteLength === 0) return { offset, multipartId, partEtags, tail: null, digest };
  const tail = { key: chunkKeyOf(upload), length: piece.byteLength };
  await store.put(tail.key, piece, tail.length);
  return { offset, multipartId, partEtags, tail, digest };
}

async function nextPiece(
  pieces: AsyncGenerator<Uint8Array<ArrayBuffer>, void>,
): Promise<Uint8Array<ArrayBuffer>> {
  const { value } = await pieces.next();
  if (!value) throw new Error("a stream of pieces ends with a shorter one");
  return value;
}

/**
 * Joins an upload's bytes under one key, and reads them back to hash them unless they were hashed as they passed.
 * @returns their key and digest
 */
export async function assemble(
  store: BlobStore,
  upload: Upload,
  algorithm: DigestAlgorithm,
): Promise<{ key: string; digest: string }> {
  const { state } = upload;
  const key = await joinParts(store, upload);
  if (state.digest?.startsWith(`${algorithm}:`)) return { key, digest: state.digest };
  const stream = await store.get(key);
  if (!stream) throw new Error(`the blob store has lost ${key}`);
  const hasher = new crypto.DigestStream(webCryptoName(algorithm));
  await copyTo(stream, [hasher]);
  return { key, digest: formatDigest(algorithm, await hasher.digest) };
}

async function joinParts(store: BlobStore, upload: Upload): Promise<string> {
  const { key, state } = upload;
  const { multipartId, partEtags, tail, offset } = state;
  if (multipartId === null || partEtags.length === 0) {
    if (tail) return tail.key;
    const emptyKey = chunkKeyOf(upload);
    await store.put(emptyKey, new Uint8Array(0), 0);
    return emptyKey;
  }
  // An earlier attempt may have joined them and been interrupted before it was recorded.
  if ((await store.size(key)) === offset) return key;
  const etags = [...partEtags];
  if (tail) {
    const stream = await store.get(tail.key);
    if (!stream) throw new Error(`the blob store has lost ${tail.key}`);
    for await (const piece of piecesOf([stream], blobPartBytes)) {
      if (piece.byteLength === 0) continue;
      etags.push(await store.putPart(key, multipartId, etags.length + 1, piece));
    }
  }
  await store.completeMultipart(key, multipartId, etags);
  return key;
}

function chunkKeyOf({ chunkKey }: Upload): string {
  if (chunkKey === null) throw new Error("the upload has no key for a chunk");
  return chunkKey;
}
