import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type IncomingHttpHeaders, request } from "node:http";
import { buffer } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { createdAccount } from "../../../src/protocol/v3/accounts.ts";
import { environment } from "../../../src/protocol/v3/services.ts";
import { call } from "../../support/api.ts";
import { makeFolder } from "../../support/folder.ts";
import { type KillableWorker, killableWorker } from "../../support/killable/worker.ts";
import { share } from "../../support/shared.ts";

const repository = "/v2/acme/hello";
const imageType = "application/vnd.oci.image.manifest.v1+json";
const layerBytes = 12_000_000;

let worker: KillableWorker;
let token: string;

share({
  async start(stack) {
    const folder = stack.use(await makeFolder());
    worker = stack.use(await killableWorker(folder.path));
    await worker.start();
    const root = { api_url: worker.apiUrl, token: worker.rootToken };
    const account = await call(root, createdAccount, "/v3/accounts", { json: { name: "acme" } });
    token = account.token.secret_token;
    await call(api(), z.looseObject({}), "/v3/accounts/acme/services", { json: { name: "hello" } });
  },
});

const api = () => ({ api_url: worker.apiUrl, token });
const digestOf = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

function open(method: string, path: string, headers: Record<string, string> = {}) {
  const authorization = `Basic ${Buffer.from(`acme:${token}`).toString("base64")}`;
  return request(worker.apiUrl + path, { method, headers: { authorization, ...headers } });
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

interface Sending {
  body?: Buffer;
  headers?: Record<string, string>;
  /** Leaves the length out, as docker does. */
  isChunked?: boolean;
  /** Called when all of the request has left this process. */
  onSent?: () => void;
}

/** Sends a request over a connection of its own. */
async function ask(
  method: string,
  path: string,
  { body, headers = {}, isChunked = false, onSent = () => {} }: Sending = {},
): Promise<Answer> {
  const length: Record<string, string> =
    body === undefined || isChunked ? {} : { "content-length": String(body.byteLength) };
  const outgoing = open(method, path, { ...length, ...headers });
  outgoing.once("finish", onSent);
  const answered = once(outgoing, "response");
  if (isChunked && body) outgoing.write(body.subarray(0, 100_000));
  outgoing.end(isChunked ? body?.subarray(100_000) : body);
  const [response] = await answered;
  return { status: response.statusCode, headers: response.headers, body: await buffer(response) };
}

async function begin(): Promise<string> {
  return (await ask("POST", `${repository}/blobs/uploads/`)).headers.location ?? "";
}

describe("over real HTTP", () => {
  test("HEAD of a blob and of a manifest tell their lengths", async () => {
    const bytes = randomBytes(1234);
    const digest = digestOf(bytes);
    await ask("POST", `${repository}/blobs/uploads/?digest=${digest}`, { body: bytes });
    const blob = await ask("HEAD", `${repository}/blobs/${digest}`);
    expect(blob.headers).toMatchObject({
      "content-length": "1234",
      "content-type": "application/octet-stream",
      "docker-content-digest": digest,
    });
    const manifest = Buffer.from(
      JSON.stringify({ schemaVersion: 2, config: { digest, size: 1234 }, layers: [] }),
    );
    const headers = { "content-type": imageType };
    expect((await ask("PUT", `${repository}/manifests/head`, { body: manifest, headers })).status).toBe(201);
    const head = await ask("HEAD", `${repository}/manifests/head`);
    expect(head.headers["content-length"]).toBe(String(manifest.byteLength));
    const gzipped = { "accept-encoding": "gzip" };
    const whole = await ask("GET", `${repository}/blobs/${digest}`, { headers: gzipped });
    expect(whole.headers["content-encoding"]).toBeUndefined();
    expect(whole.body.equals(bytes)).toBe(true);
  });

  test.each([true, false])(
    "a body that is cut short counts for nothing, and the same upload takes it again (chunked: %s)",
    async (isChunked) => {
      const bytes = randomBytes(layerBytes);
      const location = await begin();
      const headers: Record<string, string> = isChunked ? {} : { "content-length": String(layerBytes) };
      const outgoing = open("PATCH", location, headers);
      outgoing.on("error", () => {});
      await new Promise((written) => outgoing.write(bytes.subarray(0, 11_000_000), written));
      outgoing.destroy();
      const headersAgain = { "content-range": `0-${layerBytes - 1}` };
      const takeAgain = () => ask("PATCH", location, { body: bytes, isChunked, headers: headersAgain });
      let again = await takeAgain();
      // Until the server has noticed that the first one is over, either of them may be refused since the other came between.
      while (again.status === 416) again = await takeAgain();
      expect([again.status, again.headers.range]).toEqual([202, `0-${layerBytes - 1}`]);
      const digest = digestOf(bytes);
      expect((await ask("PUT", `${location}?digest=${digest}`)).status).toBe(201);
      expect(digestOf((await ask("GET", `${repository}/blobs/${digest}`)).body)).toBe(digest);
    },
  );
});

/** The steps of a push, in order; a kill comes while the server is at the named one, or has just answered it. */
const steps = ["begin", "patch", "put", "config", "manifest"] as const;
type Step = (typeof steps)[number];

function image() {
  const layer = randomBytes(layerBytes);
  const config = randomBytes(100);
  const descriptorOf = (bytes: Buffer) => ({ digest: digestOf(bytes), size: bytes.byteLength });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: imageType,
      config: descriptorOf(config),
      layers: [descriptorOf(layer)],
    }),
  );
  return { layer, config, manifest, digest: digestOf(manifest) };
}

/** Pushes an image under the tag `latest`. @param onSent is called when the request of a step has been sent */
async function push({ layer, config, manifest }: ReturnType<typeof image>, onSent: (step: Step) => void) {
  const step = async (name: Step, method: string, path: string, sending: Sending = {}) => {
    const answer = await ask(method, path, { ...sending, onSent: () => onSent(name) });
    if (answer.status >= 300) throw new Error(`${name}: ${answer.status} ${answer.body}`);
    return answer;
  };
  const uploads = `${repository}/blobs/uploads/`;
  const location = (await step("begin", "POST", uploads)).headers.location ?? "";
  await step("patch", "PATCH", location, { body: layer, isChunked: true });
  await step("put", "PUT", `${location}?digest=${digestOf(layer)}`);
  await step("config", "POST", `${uploads}?digest=${digestOf(config)}`, { body: config });
  const headers = { "content-type": imageType };
  await step("manifest", "PUT", `${repository}/manifests/latest`, { body: manifest, headers });
}

/** What `latest` stands for, with all that it refers to read and verified; null while it stands for nothing. */
async function pulled(): Promise<string | null> {
  const manifest = await ask("GET", `${repository}/manifests/latest`);
  if (manifest.status === 404) return null;
  const digest = digestOf(manifest.body);
  expect(manifest.headers["docker-content-digest"]).toBe(digest);
  const descriptor = z.object({ digest: z.string() });
  const { config, layers } = z
    .object({ config: descriptor, layers: z.array(descriptor) })
    .parse(JSON.parse(manifest.body.toString()));
  for (const blob of [config, ...layers]) {
    expect(digestOf((await ask("GET", `${repository}/blobs/${blob.digest}`)).body)).toBe(blob.digest);
  }
  return digest;
}

describe("a process that is killed in the middle of a push", () => {
  test.each(steps)(
    "(%s) serves nothing half-written afterwards, and takes the push again",
    async (killed) => {
      const before = await pulled();
      const next = image();
      let gone: Promise<void> | undefined;
      const kill = (step: Step) => {
        if (step === killed) gone = worker.kill();
      };
      const isAcknowledged = await push(next, kill).then(
        () => true,
        () => false,
      );
      await gone;
      await worker.start();
      const possible = isAcknowledged ? [next.digest] : [before, next.digest];
      expect(possible).toContain(await pulled());
      const path = "/v3/accounts/acme/services/hello/environments/default";
      const resolved = (await call(api(), environment, path)).digest;
      expect(possible).toContain(resolved);
      if (resolved !== null) {
        expect((await ask("HEAD", `${repository}/manifests/${resolved}`)).status).toBe(200);
      }

      await push(next, () => {});
      expect(await pulled()).toBe(next.digest);
      expect((await call(api(), environment, path)).digest).toBe(next.digest);
    },
  );
});
