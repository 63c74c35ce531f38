import { algorithmOf } from "../../protocol/oci/digest.ts";
import { ociFail } from "../../protocol/oci/errors.ts";
import { rangeHolds } from "../../protocol/oci/preconditions.ts";
import { parseRange } from "../../protocol/oci/range.ts";
import { conditionAnswer, conditionsOf, ociAnswer } from "./answer.ts";
import { answered, type RegistryHandler } from "./call.ts";

/**
 * `no-transform` and the type keep proxies from compressing a blob, which would lose its length. The content of a
 * digest never changes.
 */
const blobHeaders = {
  "content-type": "application/octet-stream",
  "cache-control": "private, max-age=31536000, immutable, no-transform",
  "accept-ranges": "bytes",
};

/** `GET` and `HEAD …/blobs/<digest>`. */
export const getBlob: RegistryHandler = async ({ request, registry, repository, store, reference }) => {
  if (algorithmOf(reference) === null) return digestInvalid(reference);
  const blob = await registry.blob(repository, reference);
  if (!blob) return blobUnknown(reference);
  const headers = { ...blobHeaders, "docker-content-digest": reference, etag: `"${reference}"` };

  const unmet = conditionAnswer(request, reference, headers);
  if (unmet) return answered(unmet);
  const holds = rangeHolds(request.headers.get("if-range"), reference);
  const requested = holds ? request.headers.get("range") : null;
  const range = requested === null ? null : parseRange(requested, blob.size);
  if (range === "unsatisfiable") {
    return answered(ociAnswer(416, { ...headers, "content-range": `bytes */${blob.size}` }));
  }
  const length = range === null ? blob.size : range.end - range.start + 1;
  const status = range === null ? 200 : 206;
  const sized = {
    ...headers,
    "content-length": String(length),
    ...(range === null ? {} : { "content-range": `bytes ${range.start}-${range.end}/${blob.size}` }),
  };
  if (request.method === "HEAD") return answered(ociAnswer(status, sized));
  const stream = await store.get(blob.key, range ?? undefined);
  if (!stream) throw new Error(`the blob store has lost ${blob.key}`);
  // Sets the answer's Content-Length, and resets the connection rather than end the body early.
  const { readable, writable } = new FixedLengthStream(length);
  stream.pipeTo(writable).catch((error: unknown) => console.error(`reading ${blob.key}`, error));
  return answered(ociAnswer(status, sized, readable));
};

export const deleteBlob: RegistryHandler = async ({ request, registry, repository, reference }) => {
  if (algorithmOf(reference) === null) return digestInvalid(reference);
  const deleted = await registry.deleteBlob(repository, reference, conditionsOf(request));
  return deleted.ok
    ? answered(ociAnswer(202, { "content-length": "0" }))
    : { ok: false, error: deleted.error };
};

function blobUnknown(digest: string) {
  return ociFail("BLOB_UNKNOWN", `blob \`${digest}\` not found`);
}

function digestInvalid(text: string) {
  return ociFail("DIGEST_INVALID", `\`${text.slice(0, 160)}\` is not a digest`);
}
