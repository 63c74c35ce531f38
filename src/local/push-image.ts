import { errorAnswerMaxBytes } from "../domain/limits.ts";
import { fetchAnswer, readStart } from "../protocol/remote-answer.ts";
import type { OciBlob, OciImage } from "./node-image.ts";

/** For one blob too: the control plane is on the same machine. */
const requestTimeoutMs = 60_000;

export interface PushTarget {
  /** Where Slipway is, and with it its registry. */
  apiUrl: string;
  account: string;
  service: string;
  /** One that may push. */
  token: string;
}

/**
 * Pushes an image under tags (OCI Distribution 1.1, "Push"). Blobs that the repository has already are not sent again.
 * Rejects, with the request that failed, when the registry refuses.
 * @returns the image's digest
 */
export async function pushImage(
  target: PushTarget,
  { config, layers, manifest }: OciImage,
  tags: readonly string[],
): Promise<string> {
  const send = requester(target);
  for (const blob of [...layers, config]) await pushBlob(send, blob);
  for (const tag of tags) {
    const headers = { "content-type": manifest.mediaType };
    await send("PUT", `manifests/${tag}`, [201], { headers, body: new Uint8Array(manifest.bytes) });
  }
  return manifest.digest;
}

async function pushBlob(send: Request, { digest, bytes }: OciBlob): Promise<void> {
  const found = await send("HEAD", `blobs/${digest}`, [200, 404]);
  if (found.status === 200) return;
  const upload = await send("POST", "blobs/uploads/", [202]);
  const location = upload.headers.get("location");
  if (location === null) throw new Error("the registry began an upload and did not say where");
  const end = new URL(location, upload.url);
  end.searchParams.set("digest", digest);
  const headers = { "content-type": "application/octet-stream" };
  await send("PUT", end, [201], { headers, body: new Uint8Array(bytes) });
}

/** @param path below the repository, or a whole address of the same registry */
type Request = (
  method: string,
  path: string | URL,
  expected: readonly number[],
  request?: { headers?: Record<string, string>; body?: Uint8Array<ArrayBuffer> },
) => Promise<Response>;

function requester({ apiUrl, account, service, token }: PushTarget): Request {
  const authorization = `Basic ${Buffer.from(`${account}:${token}`).toString("base64")}`;
  const repository = new URL(`/v2/${account}/${service}/`, apiUrl);
  return async (method, path, expected, { headers = {}, body } = {}) => {
    const url = new URL(path, repository);
    if (url.origin !== repository.origin) throw new Error(`the registry sends us to ${url.origin}`);
    const signal = AbortSignal.timeout(requestTimeoutMs);
    const response = await fetchAnswer(url, {
      method,
      headers: { ...headers, authorization },
      ...(body === undefined ? {} : { body }),
      redirect: "manual",
      signal,
    });
    const text = await readStart(response, { maxBytes: errorAnswerMaxBytes, signal });
    if (expected.includes(response.status)) return response;
    throw new Error(`${method} ${url.pathname} was answered ${response.status} ${text.slice(0, 500)}`);
  };
}
