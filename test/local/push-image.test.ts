import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { nodeImage } from "../../src/local/node-image.ts";
import { pushImage } from "../../src/local/push-image.ts";
import { digestOfBytes } from "../agent/support/oci-image.ts";

/**
 * A registry that keeps what it is pushed, and wants Basic with `demo` and `secret`.
 * @param redirectedMethod requests of which it redirects
 */
async function startPushRegistry(redirectedMethod?: string) {
  const blobs = new Map<string, Buffer>();
  const tags = new Map<string, { bytes: Buffer; type: string | undefined }>();
  const requests: string[] = [];
  const server = createServer(async (request, response) => {
    const { method = "", headers } = request;
    const url = new URL(request.url ?? "", "http://registry.test");
    const path = url.pathname.replace("/v2/demo/hello/", "");
    requests.push(`${method} ${path}`);
    if (method === redirectedMethod) return response.writeHead(307, { location: "/elsewhere" }).end();
    const bytes = await buffer(request);
    const [, kind = "", reference = ""] = /^(blobs|manifests)\/([^/]+)$/.exec(path) ?? [];
    if (headers.authorization !== `Basic ${btoa("demo:secret")}`)
      return response.writeHead(401).end("who is it?");
    if (method === "HEAD") {
      const found = kind === "blobs" ? blobs.get(reference) : tags.get(reference)?.bytes;
      if (!found) return response.writeHead(404).end();
      return response.writeHead(200, { "docker-content-digest": digestOfBytes(found) }).end();
    }
    if (method === "POST")
      return response.writeHead(202, { location: "/v2/demo/hello/blobs/uploads/1?state=x" }).end();
    const digest = url.searchParams.get("digest");
    if (digest !== null && url.searchParams.get("state") === "x") blobs.set(digest, bytes);
    else tags.set(reference, { bytes, type: headers["content-type"] });
    return response.writeHead(201).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise((resolve) => void server.close(() => resolve())));
  const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { blobs, tags, requests, target: { apiUrl, account: "demo", service: "hello", token: "secret" } };
}

test("a push sends each blob by its digest, and then the manifest under every tag", async () => {
  const { blobs, tags, target } = await startPushRegistry();
  const image = nodeImage("1");
  expect(await pushImage(target, image, ["v2", "latest"])).toBe(image.manifest.digest);
  expect(blobs.size).toBe(2);
  for (const [digest, bytes] of blobs) expect(digestOfBytes(bytes)).toBe(digest);
  const manifest = { bytes: image.manifest.bytes, type: "application/vnd.oci.image.manifest.v1+json" };
  expect([...tags]).toEqual([
    ["v2", manifest],
    ["latest", manifest],
  ]);
});

test("a push does not send blobs that are there", async () => {
  const { requests, target } = await startPushRegistry();
  await pushImage(target, nodeImage("1"), ["v1"]);
  requests.length = 0;
  await pushImage(target, nodeImage("1"), ["v1"]);
  expect(requests.filter((request) => !request.startsWith("HEAD "))).toEqual(["PUT manifests/v1"]);
});

test("a tag that stands on another image is moved", async () => {
  const { tags, target } = await startPushRegistry();
  await pushImage(target, nodeImage("1"), ["latest"]);
  const next = nodeImage("2");
  await pushImage(target, next, ["latest"]);
  expect(tags.get("latest")?.bytes).toEqual(next.manifest.bytes);
});

test("a refusal is reported with the request and the registry's answer", async () => {
  const { target } = await startPushRegistry();
  const config = nodeImage("1").layers[0]?.digest;
  await expect(pushImage({ ...target, token: "wrong" }, nodeImage("1"), ["v1"])).rejects.toThrow(
    `HEAD /v2/demo/hello/blobs/${config} was answered 401`,
  );
});

test.for(["HEAD", "POST", "PUT"])("a redirect of a %s is not followed, with the token", async (method) => {
  const { requests, target } = await startPushRegistry(method);
  await expect(pushImage(target, nodeImage("1"), ["v1"])).rejects.toThrow("was answered 307");
  expect(requests).not.toContain(`${method} /elsewhere`);
});
