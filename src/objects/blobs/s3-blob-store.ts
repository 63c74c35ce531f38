import { AwsClient } from "aws4fetch";
import { errorAnswerMaxBytes, s3AnswerMaxBytes, s3AnswerTimeoutMs } from "../../domain/limits.ts";
import { fetchAnswer, readStart, readText } from "../../protocol/remote-answer.ts";
import { type BlobStore, StoreUnavailable, UploadLost } from "./blob-store.ts";

export interface S3Settings {
  /** The origin and, where the server wants one, a path. Buckets are addressed by path. */
  endpoint: string;
  bucket: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

/** Bytes in a bucket of any server that speaks the S3 API. */
export function s3BlobStore(settings: S3Settings): BlobStore {
  const { accessKeyId, secretAccessKey, region } = settings;
  const signer = new AwsClient({ accessKeyId, secretAccessKey, region, service: "s3" });
  const bucketUrl = `${settings.endpoint.replace(/\/+$/, "")}/${settings.bucket}`;

  /** @param allowed statuses that are no failure, beside those of success */
  async function send(
    method: string,
    key: string,
    request: { query?: Record<string, string>; headers?: Record<string, string>; body?: BodyInit } = {},
    allowed: readonly number[] = [],
  ): Promise<Response> {
    const { query, headers = {}, body } = request;
    const path = key.split("/").map(encodeURIComponent).join("/");
    const url = `${bucketUrl}/${path}${query ? `?${new URLSearchParams(query)}` : ""}`;
    // Signed without the body: a stream can be neither read twice nor held.
    const signed = await signer.sign(url, { method, headers });
    const response = await fetchAnswer(url, {
      method,
      headers: Object.fromEntries(signed.headers),
      redirect: "manual",
      ...(body === undefined ? {} : { body }),
    });
    if (response.ok || allowed.includes(response.status)) return response;
    const text = await readStart(response, answerLimit(errorAnswerMaxBytes));
    throw failureOf(`S3 answered ${response.status} to ${method}`, text, response.status);
  }

  async function sendAndDrain(...request: Parameters<typeof send>): Promise<Response> {
    const response = await send(...request);
    await response.body?.cancel();
    return response;
  }

  return {
    async put(key, body, length) {
      await sendAndDrain("PUT", key, { body, headers: { "content-length": String(length) } });
    },
    async get(key, range) {
      const headers: Record<string, string> = range ? { range: `bytes=${range.start}-${range.end}` } : {};
      const response = await send("GET", key, { headers }, [404]);
      if (response.status !== 404) return response.body ?? new Blob([]).stream();
      await response.body?.cancel();
      return null;
    },
    async size(key) {
      const response = await send("HEAD", key, {}, [404]);
      return response.status === 404 ? null : Number(response.headers.get("content-length"));
    },
    async delete(keys) {
      for (const key of keys) await sendAndDrain("DELETE", key, {}, [404]);
    },

    async createMultipart(key) {
      const response = await send("POST", key, { query: { uploads: "" } });
      const answer = await readText(response, answerLimit(s3AnswerMaxBytes));
      const id = /<UploadId>([^<]+)<\/UploadId>/.exec(answer)?.[1];
      if (id === undefined) throw new Error("S3 began a multipart upload without naming it");
      return fromXml(id);
    },
    async putPart(key, multipartId, part, bytes) {
      const query = { partNumber: String(part), uploadId: multipartId };
      const headers = { "content-length": String(bytes.byteLength) };
      const response = await sendAndDrain("PUT", key, { query, body: bytes, headers });
      const etag = response.headers.get("etag");
      if (etag === null) throw new Error("S3 took a part without an ETag");
      return etag;
    },
    async completeMultipart(key, multipartId, parts) {
      const listed = parts.map(
        ({ part, etag }) => `<Part><PartNumber>${part}</PartNumber><ETag>${toXml(etag)}</ETag></Part>`,
      );
      const body = `<CompleteMultipartUpload>${listed.join("")}</CompleteMultipartUpload>`;
      const query = { uploadId: multipartId };
      const response = await send("POST", key, { query, body, headers: { "content-type": "text/xml" } });
      const answer = await readText(response, answerLimit(s3AnswerMaxBytes));
      // A failure that comes late comes with the status 200 (S3, "CompleteMultipartUpload").
      if (answer.includes("<Error>"))
        throw failureOf("S3 did not complete an upload", answer, response.status);
    },
    async abortMultipart(key, multipartId) {
      await sendAndDrain("DELETE", key, { query: { uploadId: multipartId } }, [404]);
    },
  };
}

/** S3, "CompleteMultipartUpload", Errors: those after which the parts that there are never make an object. */
const lost = /<Code>(NoSuchUpload|InvalidPart|InvalidPartOrder|EntityTooSmall)<\/Code>/;

/** S3, "Error responses": those that say to try again, whatever status they come with. */
const passing = /<Code>(InternalError|ServiceUnavailable|SlowDown|RequestTimeout|OperationAborted)<\/Code>/;

function failureOf(what: string, answer: string, status: number): Error {
  const message = `${what}: ${answer.slice(0, 500)}`;
  if (lost.test(answer)) return new UploadLost(message);
  const passes = status >= 500 || status === 408 || status === 429 || passing.test(answer);
  return passes ? new StoreUnavailable(message) : new Error(message);
}

function answerLimit(maxBytes: number) {
  return { maxBytes, signal: AbortSignal.timeout(s3AnswerTimeoutMs) };
}

function toXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

function fromXml(text: string): string {
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&");
}
