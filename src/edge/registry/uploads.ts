import { blobChunkBytes, blobMaxBytes } from "../../domain/limits.ts";
import { bringsBytes, judgeChunk, type UploadState } from "../../domain/registry/upload.ts";
import { UploadLost } from "../../objects/blobs/blob-store.ts";
import type { Upload } from "../../objects/contract.ts";
import { algorithmOf, type DigestAlgorithm, digestAlgorithms } from "../../protocol/oci/digest.ts";
import { type OciResult, ociFail } from "../../protocol/oci/errors.ts";
import { formatUploadRange, parseContentRange } from "../../protocol/oci/range.ts";
import { ociAnswer, ociFailureAnswer } from "./answer.ts";
import { answered, type RegistryCall, type RegistryHandler } from "./call.ts";
import { assemble, type Incoming, receive } from "./receive.ts";

/** OCI Distribution 1.1, "Pushing a blob in chunks": smaller chunks are taken too, and cost a request each. */
const chunkHeaders = {
  "oci-chunk-min-length": String(blobChunkBytes),
  "oci-chunk-max-length": String(blobMaxBytes),
};

/** `POST …/blobs/uploads/`: a mount, a whole blob, or the beginning of an upload. */
export const postUpload: RegistryHandler = async (call) => {
  const { url, registry, repository } = call;
  const mount = url.searchParams.get("mount");
  if (mount !== null && algorithmOf(mount) === null) return digestInvalid(mount);
  const from = url.searchParams.get("from");
  if (mount !== null && from !== null) {
    const source = await call.mayAlso("pull", from);
    if (source && (await registry.mountBlob(repository, source, mount)))
      return answered(created(call, mount));
  }

  const digest = mount === null ? url.searchParams.get("digest") : null;
  if (digest !== null && algorithmOf(digest) === null) return digestInvalid(digest);
  const requested = url.searchParams.get("digest-algorithm");
  if (requested !== null && !digestAlgorithms.some((known) => known === requested)) {
    return ociFail("UNSUPPORTED", `\`digest-algorithm\` is one of ${digestAlgorithms.join(", ")}`, {
      status: 400,
    });
  }
  const { length } = incoming(call.request);
  if (digest !== null && (length ?? 0) > blobMaxBytes) return blobTooLarge;
  const whole = digest === null ? null : { digest, bytes: length };
  const begun = await registry.beginUpload(repository, whole, call.credentialId);
  if (!begun.ok) return { ok: false, error: begun.error };
  const upload = begun.value;
  if (digest !== null) return finish(call, upload, digest);
  return answered(ociAnswer(202, { ...uploadHeaders(call, upload.id, 0, requested), ...chunkHeaders }));
};

/** `PATCH …/blobs/uploads/<id>`: the next chunk. */
export const patchUpload: RegistryHandler = async (call) => {
  const { registry, repository } = call;
  const begun = await beginChunk(call, null);
  if (!begun.ok) return begun;
  const upload = begun.value;
  const refused = refuseChunk(call, upload);
  if (refused) return refused;
  const algorithm = announcedAlgorithm(call);
  const state = await orLost(receive(receivePorts(call, upload), upload, incoming(call.request), algorithm));
  if (state === "overtaken") return overtaken(call);
  if (state === "lost") return lost(call, upload);
  if (state === "too much") return tooMuch(call, upload, null);
  const advanced = await registry.advanceUpload(repository, upload, state);
  if (!advanced.ok) return { ok: false, error: advanced.error };
  if (advanced.value === "overtaken") return overtaken(call);
  return answered(ociAnswer(202, uploadHeaders(call, upload.id, state.offset, algorithmParam(call))));
};

/** `PUT …/blobs/uploads/<id>?digest=`: the last chunk, which may be empty, and the end of the upload. */
export const putUpload: RegistryHandler = async (call) => {
  const digest = call.url.searchParams.get("digest");
  if (digest === null || algorithmOf(digest) === null) return digestInvalid(digest ?? "");
  const { body, length } = incoming(call.request);
  const isLast = !bringsBytes(body !== null, length);
  const known = isLast ? await call.registry.upload(call.repository, call.reference) : null;
  if (isLast && !known) return (await finishedBefore(call, digest)) ?? uploadUnknown(call);
  // An empty blob needs a key too, and a tail behind parts the number of one.
  const isWhole = known !== null && known.state.offset > 0 && known.state.multipartId === null;
  const begun: OciResult<Upload> = isWhole ? { ok: true, value: known } : await beginChunk(call, digest);
  if (!begun.ok) {
    return begun.error.code === "BLOB_UPLOAD_UNKNOWN"
      ? ((await finishedBefore(call, digest)) ?? begun)
      : begun;
  }
  return refuseChunk(call, begun.value) ?? finish(call, begun.value, digest);
};

/** Uploads have UUIDs: no other id was ever one. */
const uploadId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A PUT whose answer was lost comes again: it has done what it is for where the repository has the blob. */
async function finishedBefore(call: RegistryCall, digest: string): Promise<OciResult<Response> | null> {
  if (!uploadId.test(call.reference) || !(await call.registry.blob(call.repository, digest))) return null;
  return answered(created(call, digest));
}

/** An upload that is about to get the bytes of a request. @param digest of the whole blob, where it is known */
async function beginChunk(call: RegistryCall, digest: string | null): Promise<OciResult<Upload>> {
  const chunk = { digest, bytes: incoming(call.request).length };
  const begun = await call.registry.beginChunk(call.repository, call.reference, chunk);
  if (!begun.ok) return { ok: false, error: begun.error };
  return begun.value ? { ok: true, value: begun.value } : uploadUnknown(call);
}

/** `GET …/blobs/uploads/<id>`: the progress of an upload. */
export const getUpload: RegistryHandler = async (call) => {
  const upload = await call.registry.upload(call.repository, call.reference);
  if (!upload) return uploadUnknown(call);
  return answered(ociAnswer(204, uploadHeaders(call, upload.id, upload.state.offset, algorithmParam(call))));
};

export const deleteUpload: RegistryHandler = async (call) => {
  const wasThere = await call.registry.cancelUpload(call.repository, call.reference, []);
  return wasThere ? answered(ociAnswer(204)) : uploadUnknown(call);
};

async function finish(call: RegistryCall, upload: Upload, digest: string): Promise<OciResult<Response>> {
  const { registry, repository, request } = call;
  const algorithm = algorithmOf(digest) ?? "sha256";
  const ports = receivePorts(call, upload);
  const state = await orLost(receive(ports, upload, incoming(request), algorithm));
  if (state === "overtaken") return overtaken(call);
  if (state === "lost") return lost(call, upload);
  if (state === "too much") {
    const refused = await tooMuch(call, upload, digest);
    await registry.cancelUpload(repository, upload.id, []);
    return refused;
  }
  const whole: Upload = { ...upload, state };
  const assembled = await orLost(assemble(ports, whole, algorithm));
  if (assembled === "lost") return lost(call, upload);
  if (assembled.digest !== digest) {
    await registry.cancelUpload(repository, upload.id, [assembled.key]);
    return ociFail("DIGEST_INVALID", `the bytes have the digest ${assembled.digest}, not ${digest}`);
  }
  const blob = { digest, key: assembled.key, size: state.offset };
  const finished = await registry.finishUpload(repository, whole, blob);
  return finished.ok ? answered(created(call, digest)) : { ok: false, error: finished.error };
}

function receivePorts({ registry, repository, store, room }: RegistryCall, upload: Upload) {
  return {
    store,
    room,
    beginMultipart: (multipartId: string) => registry.beginMultipart(repository, upload, multipartId),
    moreParts: () => registry.moreParts(repository, upload),
  };
}

async function orLost<T>(storing: Promise<T>): Promise<T | "lost"> {
  try {
    return await storing;
  } catch (error) {
    if (!(error instanceof UploadLost)) throw error;
    console.error("an upload begins anew", error);
    return "lost";
  }
}

/** Gives up an upload whose stored bytes are of no use: its client begins anew, as it cannot after a 5xx. */
async function lost(call: RegistryCall, { id, version }: Upload): Promise<OciResult<Response>> {
  const { registry, repository } = call;
  const current = await registry.upload(repository, id);
  if (current && current.version !== version) return overtaken(call);
  await registry.cancelUpload(repository, id, []);
  return uploadUnknown(call);
}

/** The body of a request. With chunked transfer its length is unknown. */
function incoming(request: Request): Incoming {
  const length = request.headers.get("content-length");
  return { body: request.body, length: length === null ? null : Number(length) };
}

function refuseChunk(call: RegistryCall, { state }: Upload): OciResult<Response> | null {
  const header = call.request.headers.get("content-range");
  const range = header === null ? null : parseContentRange(header);
  if (header !== null && range === null) {
    return ociFail("BLOB_UPLOAD_INVALID", "Content-Range is `<start>-<end>`, both inclusive");
  }
  if (state.offset + (incoming(call.request).length ?? 0) > blobMaxBytes) return blobTooLarge;
  const verdict = judgeChunk(state.offset, range, incoming(call.request).length);
  if (verdict.verdict === "append") return null;
  if (verdict.verdict === "malformed") return ociFail("SIZE_INVALID", verdict.message);
  return answered(rangeNotSatisfiable(call, state));
}

function rangeNotSatisfiable(call: RegistryCall, { offset }: UploadState): Response {
  const failure = { code: "BLOB_UPLOAD_INVALID", message: `the next byte is ${offset}`, status: 416 };
  return ociFailureAnswer(failure, uploadHeaders(call, call.reference, offset, algorithmParam(call)));
}

/** The digest algorithm that the client announced when it began the upload; the upload's location carries it on. */
function announcedAlgorithm({ url }: RegistryCall): DigestAlgorithm {
  return url.searchParams.get("digest-algorithm") === "sha512" ? "sha512" : "sha256";
}

function algorithmParam({ url }: RegistryCall): string | null {
  return url.searchParams.get("digest-algorithm");
}

function uploadHeaders(
  { name }: RegistryCall,
  id: string,
  offset: number,
  algorithm: string | null,
): Record<string, string> {
  const query = algorithm === null ? "" : `?digest-algorithm=${algorithm}`;
  return {
    location: `/v2/${name}/blobs/uploads/${id}${query}`,
    range: formatUploadRange(offset),
    "docker-upload-uuid": id,
    "content-length": "0",
  };
}

function created({ name }: RegistryCall, digest: string): Response {
  return ociAnswer(201, {
    location: `/v2/${name}/blobs/${digest}`,
    "docker-content-digest": digest,
    "content-length": "0",
  });
}

/** Why an upload may not have what its request has brought: whatever it is that leaves it no more room. */
async function tooMuch(
  { registry, repository }: RegistryCall,
  { id, room, state }: Upload,
  digest: string | null,
): Promise<OciResult<Response>> {
  const bytes = (room ?? 0) + 1;
  if (state.offset + bytes > blobMaxBytes) return blobTooLarge;
  const checked = await registry.beginChunk(repository, id, { digest, bytes });
  if (!checked.ok) return { ok: false, error: checked.error };
  return ociFail("DENIED", "there was no room for so many bytes when the request began; send it again");
}

const blobTooLarge = ociFail("SIZE_INVALID", `a blob has at most ${blobMaxBytes} bytes`, { status: 413 });

function overtaken({ reference }: RegistryCall) {
  return ociFail("BLOB_UPLOAD_INVALID", `somebody else added to upload \`${reference}\` meanwhile`, {
    status: 416,
  });
}

function uploadUnknown({ reference }: RegistryCall) {
  return ociFail("BLOB_UPLOAD_UNKNOWN", `upload \`${reference.slice(0, 80)}\` not found`);
}

function digestInvalid(digest: string) {
  return ociFail(
    "DIGEST_INVALID",
    `\`${digest.slice(0, 160)}\` is not a digest: sha256: and 64, or sha512: and 128 hexadecimal digits in lower case`,
  );
}
