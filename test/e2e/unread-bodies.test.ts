import { createHash, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { describe, expect, test } from "vitest";
import { type RegistryDeployment, startRegistryDeployment } from "../support/registry/deployment.ts";
import { share } from "../support/shared.ts";

/* A server that closes while its client still sends loses the answer on its way: the client tries the same again. */

const bytes = Buffer.from(randomBytes(6_000_000).toString("hex"));
const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const repository = "/v2/acme/hello";
const unknown = `${repository}/blobs/uploads/${randomUUID()}`;

let deployment: RegistryDeployment;

share({
  async start(stack) {
    deployment = stack.use(await startRegistryDeployment());
    await deployment.createService("hello");
  },
});

type Headers = Record<string, string>;

/** A request over a connection of its own. */
function open(method: string, path: string, headers: Headers): ClientRequest {
  const authorization = `Bearer ${deployment.api.token}`;
  return request(deployment.api.api_url + path, { method, headers: { authorization, ...headers } });
}

async function answerTo(outgoing: ClientRequest): Promise<IncomingMessage> {
  const [response]: IncomingMessage[] = await once(outgoing, "response");
  if (!response) throw new Error("no answer");
  return response.resume();
}

/** Sends all of the bytes, or fails. @param isChunked leaves their length out, as docker does */
async function send(
  method: string,
  path: string,
  headers: Headers,
  isChunked: boolean,
): Promise<IncomingMessage> {
  const length: Headers = isChunked ? {} : { "content-length": String(bytes.byteLength) };
  const outgoing = open(method, path, { ...length, ...headers });
  if (isChunked) outgoing.write(bytes.subarray(0, 100_000));
  outgoing.end(isChunked ? bytes.subarray(100_000) : bytes);
  const [response] = await Promise.all([answerTo(outgoing), once(outgoing, "finish")]);
  return response;
}

async function begin(): Promise<string> {
  const { headers } = await answerTo(open("POST", `${repository}/blobs/uploads/`, {}).end());
  return headers.location ?? "";
}

type Sent = [method: string, path: string, headers?: Headers];

describe("a request of many megabytes is answered before it is cut off", () => {
  test.each<[string, number, () => Promise<Sent>]>([
    ["a chunk out of order", 416, async () => ["PATCH", await begin(), { "content-range": "9-12000008" }]],
    ["a malformed range", 400, async () => ["PATCH", await begin(), { "content-range": "x" }]],
    ["an upload that is not there", 404, async () => ["PATCH", unknown]],
    ["a digest that is none", 400, async () => ["PUT", `${await begin()}?digest=x`]],
    [
      "a token that is not accepted",
      401,
      async () => ["PATCH", await begin(), { authorization: "Bearer x" }],
    ],
    ["a repository that is not there", 404, async () => ["POST", "/v2/acme/none/blobs/uploads/"]],
    ["a method that the registry does not have", 405, async () => ["PATCH", `${repository}/manifests/v1`]],
    ["a manifest that is too large", 413, async () => ["PUT", `${repository}/manifests/v1`]],
    ["bytes that come before an upload", 202, async () => ["POST", `${repository}/blobs/uploads/`]],
    ["the last chunk of what is there", 201, async () => ["PUT", `${unknown}?digest=${digest}`]],
    ["a body that is too large for the API", 413, async () => ["POST", "/v3/accounts/acme/services"]],
    ["another account's", 404, async () => ["POST", "/v3/accounts/other/services"]],
    [
      "a token that the API does not accept",
      401,
      async () => ["POST", "/v3/accounts/acme/services", { authorization: "Bearer x" }],
    ],
    ["a method that the API does not have", 405, async () => ["PUT", "/v3/accounts/acme/services"]],
    ["a path that is not there", 404, async () => ["POST", "/nowhere"]],
    ["a page without a session", 303, async () => ["POST", "/settings"]],
  ])("%s: %i", async (_, status, sent) => {
    await send("POST", `${repository}/blobs/uploads/?digest=${digest}`, {}, false);
    const [method, path, headers = {}] = await sent();
    for (const isChunked of [false, true]) {
      expect((await send(method, path, headers, isChunked)).statusCode).toBe(status);
    }
  });

  test("and does not wait for a body that does not come", async () => {
    const outgoing = open("PATCH", unknown, { "content-length": "1000000" });
    outgoing.on("error", () => {});
    outgoing.flushHeaders();
    expect((await answerTo(outgoing)).statusCode).toBe(404);
    outgoing.destroy();
  });
});
