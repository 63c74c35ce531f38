import { blobPartBytes } from "../../domain/limits.ts";
import { bringsBytes, type UploadState, wayToStore } from "../../domain/registry/upload.ts";
import type { BlobStore } from "../../objects/blobs/blob-store.ts";
import type { Upload } from "../../objects/contract.ts";
import { type DigestAlgorithm, formatDigest, webCryptoName } from "../../protocol/oci/digest.ts";
import { copyTo, piecesOf } from "./byte-streams.ts";

/** The bytes of a request and how many it says there are, null where it does not. */
export interface Incoming {
  body: ReadableStream<Uint8Array> | null;
  length: number | null;
}

export interface ReceivePorts {
  store: BlobStore;
  /** Notes a multipart upload before anything is in it. @returns false where the upload has moved on */
  beginMultipart(multipartId: string): Promise<boolean>;
}

/** Somebody else added to the same upload meanwhile. */
export type Overtaken = "overtaken";

/**
 * Adds bytes to an upload in the blob store. Nothing of it counts until the state that it gives is recorded: an
 * attempt that is cut short is overwritten by the next one.
 * @param algorithm what the bytes are hashed with on their way, as long as they came in one piece
 */
export async function receive(
  ports: ReceivePorts,
  upload: Upload,
  { body, length }: Incoming,
  algorithm: DigestAlgorithm,
): Promise<UploadState | Overtaken> {
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
  await Promise.all([store.put(key, readable, length), copyTo(body, [hash, writable])]);
  const digest = formatDigest(algorithm, await hash.digest);
  return { ...upload.state, offset: length, tail: { key, length }, digest };
}

async function receiveInParts(
  { store, beginMultipart }: ReceivePorts,
  upload: Upload,
  body: ReadableStream<Uint8Array>,
  algorithm: DigestAlgorithm,
): Promise<UploadState | Overtaken> {
  const { state, key } = upload;
  const before = state.tail ? await store.get(state.tail.key) : null;
  if (state.tail && !before) throw new Error(`the blob store has lost ${state.tail.key}`);
  const pieces = piecesOf(before ? [before, body] : [body], blobPartBytes);
  const hasher = state.offset === 0 ? new crypto.DigestStream(webCryptoName(algorithm)) : null;
  const hashing = hasher?.getWriter();
  const hash = async (piece: Uint8Array) => hashing?.write(piece);

  const partEtags = [...state.partEtags];
  let { multipartId } = state;
  let offset = state.offset - (state.tail?.length ?? 0);
  let piece = await nextPiece(pieces);
  while (piece.byteLength === blobPartBytes) {
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
 * Puts an upload's bytes together under one key, and hashes them there unless that was done on their way.
 * @returns where they are, and their digest
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
  // An attempt that was cut short after this one's last step has joined them already.
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
