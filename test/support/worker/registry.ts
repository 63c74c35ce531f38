import { createService, freshName, send, type TestAccount } from "./api.ts";

/** How a test talks to the registry: by HTTP Basic, with the whole token as the password. */
export function basic(account: string, token: string): string {
  return `Basic ${btoa(`${account}:${token}`)}`;
}

export interface RegistryRequest {
  method?: string;
  /** The `Authorization` header; none when it is left out. */
  authorization?: string;
  headers?: Record<string, string>;
  body?: BodyInit;
}

/** Sends a request below `/v2` to the Worker under test. */
export function sendOci(
  path: string,
  { method = "GET", authorization, headers, body }: RegistryRequest = {},
) {
  return send(path, {
    method,
    headers: { ...(authorization === undefined ? {} : { authorization }), ...headers },
    ...(body === undefined ? {} : { body }),
  });
}

/** The status and the code of an answer that is to be a failure. */
export async function refusalOf(response: Response): Promise<[number, string]> {
  const text = await response.text();
  const code = /^\{"errors":\[\{"code":"([A-Z_]+)","message":".+","detail":.*\}\]\}$/s.exec(text)?.[1];
  return [response.status, code ?? text];
}

export async function sha(
  bytes: ArrayBuffer | Uint8Array<ArrayBufferLike>,
  algorithm: "sha256" | "sha512" = "sha256",
): Promise<string> {
  const hash = await crypto.subtle.digest(algorithm === "sha256" ? "SHA-256" : "SHA-512", bytes);
  const hex = Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${algorithm}:${hex}`;
}

/** Bytes that no other test has: of a given length, and different for every call. */
export function someBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let from = 0; from < length; from += 65_536)
    crypto.getRandomValues(bytes.subarray(from, from + 65_536));
  return bytes;
}

export const types = {
  image: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  dockerImage: "application/vnd.docker.distribution.manifest.v2+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
} as const;

/** A client of one repository, which acts with one token. */
export function registryClient(account: Pick<TestAccount, "name">, token: string, service = "hello") {
  const name = `${account.name}/${service}`;
  const authorization = basic(account.name, token);
  const request = (path: string, init: RegistryRequest = {}) =>
    sendOci(`/v2/${name}/${path}`, { authorization, ...init });

  async function pushBlob(content: Uint8Array) {
    const bytes = new Uint8Array(content);
    const digest = await sha(bytes);
    const answer = await request(`blobs/uploads/?digest=${digest}`, { method: "POST", body: bytes });
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
    return { digest, size: bytes.byteLength };
  }

  async function putManifest(
    reference: string | null,
    manifest: object | string,
    contentType: string | null = types.image,
  ) {
    const body = new TextEncoder().encode(typeof manifest === "string" ? manifest : JSON.stringify(manifest));
    const digest = await sha(body);
    const headers: Record<string, string> = contentType === null ? {} : { "content-type": contentType };
    const answer = await request(`manifests/${reference ?? digest}`, { method: "PUT", body, headers });
    return { digest, size: body.byteLength, answer };
  }

  /** Pushes an image of one small layer of its own. @param reference null pushes it by digest */
  async function pushImage(reference: string | null, more: object = {}) {
    const config = {
      mediaType: "application/vnd.oci.image.config.v1+json",
      ...(await pushBlob(someBytes(20))),
    };
    const layer = {
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      ...(await pushBlob(someBytes(50))),
    };
    const manifest = { schemaVersion: 2, mediaType: types.image, config, layers: [layer], ...more };
    const { digest, size, answer } = await putManifest(reference, manifest);
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
    return { digest, size, config, layer, manifest, mediaType: types.image };
  }

  return { name, authorization, request, pushBlob, putManifest, pushImage };
}
export type RegistryClient = ReturnType<typeof registryClient>;

/** A service of its own, with its path in the API and an admin's client of its repository. */
export async function ownRepository(
  account: TestAccount,
): Promise<{ client: RegistryClient; path: string; service: string }> {
  const service = freshName("svc");
  const path = await createService(account, service);
  return { client: registryClient(account, account.admin, service), path, service };
}
