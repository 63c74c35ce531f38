import { createHash } from "node:crypto";
import { once } from "node:events";
import { Agent, type IncomingHttpHeaders, IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { ociImageType } from "../../../src/domain/registry/media-types.ts";
import type { Blob, Image } from "./image.ts";

/** A repository of a registry, and the credentials to push to it and pull from it. */
export interface Repository {
  origin: string;
  /** As it stands in paths: `<account>/<service>`. */
  name: string;
  authorization?: string;
}

/**
 * How a blob's bytes are sent: `patch` as docker does, in one PATCH of no known length and an empty PUT; `put` as
 * containerd does, in one PUT with its length.
 */
export const pushWays = ["patch", "put"] as const;
export type PushWay = (typeof pushWays)[number];

export interface Client {
  /** Rejects, with the request that failed, when the registry refuses. */
  push(image: Image, tag: string, way: PushWay): Promise<void>;
  /** Rejects when the registry refuses or gives other bytes than the digests promise. */
  pull(tag: string): Promise<void>;
  close(): void;
}

/** As many as docker and containerd send or fetch at once, or nearly. */
const usualBlobsAtOnce = 4;
/** What docker and containerd copy at once. */
const pieceBytes = 32 * 1024;
/** CNCF distribution answers with an OCI manifest only where its type is accepted by name. */
const acceptAll = `${ociImageType}, */*`;

const pulledManifest = z.object({
  config: z.object({ digest: z.string() }),
  layers: z.array(z.object({ digest: z.string() })),
});

/**
 * Pushes and pulls as docker, containerd and skopeo do, over kept-alive connections. Everything is verified.
 * @param signal ends all its requests
 */
export function openClient(
  repository: Repository,
  signal: AbortSignal,
  blobsAtOnce = usualBlobsAtOnce,
): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: blobsAtOnce });
  const base = new URL(`/v2/${repository.name}/`, repository.origin);

  async function send(
    method: string,
    path: string | URL,
    expected: readonly number[],
    sent: { headers?: Record<string, string>; body?: Buffer } = {},
  ): Promise<IncomingMessage> {
    const url = new URL(path, base);
    const { authorization } = repository;
    const headers = { ...(authorization === undefined ? {} : { authorization }), ...sent.headers };
    const outgoing = request(url, { method, agent, signal, headers });
    const answered = once(outgoing, "response");
    if (sent.body === undefined) outgoing.end();
    const [[response]] = await Promise.all([
      answered,
      sent.body === undefined ? null : pipeline(Readable.from(piecesOf(sent.body)), outgoing),
    ]);
    if (!(response instanceof IncomingMessage)) throw new Error(`${method} ${url.pathname} has no answer`);
    if (expected.includes(response.statusCode ?? 0)) return response;
    const body = (await text(response)).slice(0, 500);
    throw new Error(`${method} ${url.pathname} was answered ${response.statusCode} ${body}`);
  }

  /** As `send`, where only the status and the headers matter. */
  async function sendForHeaders(...args: Parameters<typeof send>): Promise<[number, IncomingHttpHeaders]> {
    const response = await send(...args);
    for await (const _ of response);
    return [response.statusCode ?? 0, response.headers];
  }

  async function pushBlob({ digest, bytes }: Blob, way: PushWay): Promise<void> {
    const [found] = await sendForHeaders("HEAD", `blobs/${digest}`, [200, 404]);
    if (found === 200) throw new Error(`the registry has ${digest} before it was pushed`);
    const [, begun] = await sendForHeaders("POST", "blobs/uploads/", [202]);
    const upload = locationOf(begun, base);
    if (way === "put") {
      const headers = { "content-type": "application/octet-stream", "content-length": String(bytes.length) };
      await sendForHeaders("PUT", withDigest(upload, digest), [201], { headers, body: bytes });
      return;
    }
    const [, patched] = await sendForHeaders("PATCH", upload, [202], { body: bytes });
    await sendForHeaders("PUT", withDigest(locationOf(patched, upload), digest), [201]);
    await sendForHeaders("HEAD", `blobs/${digest}`, [200]);
  }

  /** @param keep is called with each piece before it is discarded */
  async function fetchVerified(path: string, digest: string, keep?: (piece: Buffer) => void): Promise<void> {
    const response = await send("GET", path, [200], { headers: { accept: acceptAll } });
    const hash = createHash("sha256");
    for await (const piece of response) {
      hash.update(piece);
      keep?.(piece);
    }
    const got = `sha256:${hash.digest("hex")}`;
    if (got !== digest) throw new Error(`GET ${path} gave ${got}`);
  }

  return {
    async push({ config, layers, manifest }, tag, way) {
      await inParallel(blobsAtOnce, layers, (layer) => pushBlob(layer, way));
      await pushBlob(config, way);
      const headers = { "content-type": manifest.mediaType, "content-length": String(manifest.bytes.length) };
      await sendForHeaders("PUT", `manifests/${tag}`, [201], { headers, body: manifest.bytes });
    },
    async pull(tag) {
      const [, headers] = await sendForHeaders("HEAD", `manifests/${tag}`, [200], {
        headers: { accept: acceptAll },
      });
      const digest = z.string().parse(headers["docker-content-digest"]);
      const pieces: Buffer[] = [];
      await fetchVerified(`manifests/${digest}`, digest, (piece) => pieces.push(piece));
      const manifest = pulledManifest.parse(JSON.parse(Buffer.concat(pieces).toString()));
      await inParallel(blobsAtOnce, [manifest.config, ...manifest.layers], ({ digest }) =>
        fetchVerified(`blobs/${digest}`, digest),
      );
    },
    close: () => agent.destroy(),
  };
}

function* piecesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

function locationOf({ location }: IncomingHttpHeaders, from: URL): URL {
  if (location === undefined) throw new Error(`${from.pathname} did not say where the upload goes on`);
  return new URL(location, from);
}

function withDigest(upload: URL, digest: string): URL {
  const end = new URL(upload);
  end.searchParams.set("digest", digest);
  return end;
}

async function inParallel<T>(
  atOnce: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of queue) await work(item);
    }),
  );
}
