import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import type { TestImage } from "./oci-image.ts";

/** A small registry that has what a test gives it. It ends with the test. */
export async function startOciRegistry() {
  const registry = {
    url: "",
    /** As webhooks name it. */
    repository: "",
    manifests: new Map<string, Buffer>(),
    blobs: new Map<string, Buffer>(),
    /** What was requested: kind and digest. */
    requests: [] as string[],
    authorizations: [] as (string | undefined)[],
    /** What it requires before it answers: the value of `WWW-Authenticate`, null where the request is good. */
    challenge: (_request: IncomingMessage): string | null => null,
    /** Answers in its place. @returns whether it has */
    intercept: async (_request: IncomingMessage, _response: ServerResponse): Promise<boolean> => false,
    add({ digest, manifest, blobs = new Map() }: Omit<TestImage, "blobs"> & Partial<TestImage>) {
      registry.manifests.set(digest, manifest);
      for (const [blobDigest, bytes] of blobs) registry.blobs.set(blobDigest, bytes);
      return { repository: registry.repository, digest };
    },
  };
  const server = createServer(async (request, response) => {
    const url = request.url ?? "";
    const [, kind = "", digest = ""] = /^\/v2\/acme\/hello\/(manifests|blobs)\/([^/]+)$/.exec(url) ?? [];
    registry.requests.push(kind === "" ? url : `${kind} ${digest}`);
    registry.authorizations.push(request.headers.authorization);
    if (await registry.intercept(request, response)) return;
    const challenge = registry.challenge(request);
    if (challenge !== null) return response.writeHead(401, { "www-authenticate": challenge }).end("{}");
    const found = kind === "manifests" ? registry.manifests.get(digest) : registry.blobs.get(digest);
    if (!found) return response.writeHead(404).end("{}");
    response.writeHead(200, { "content-type": "application/octet-stream" }).end(found);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  registry.url = `http://127.0.0.1:${port}`;
  registry.repository = `127.0.0.1:${port}/acme/hello`;
  onTestFinished(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return registry;
}

export type OciRegistry = Awaited<ReturnType<typeof startOciRegistry>>;
