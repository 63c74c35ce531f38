import { describe, expect } from "vitest";
import { createAccount, createService, send } from "../../support/worker/api.ts";
import { fillStorage } from "../../support/worker/full-storage.ts";
import { type RegistryClient, refusalOf, registryClient, someBytes } from "../../support/worker/registry.ts";
import { isolatedClusterTest as test } from "../../support/worker/worker-test.ts";

interface Pushed {
  client: RegistryClient;
  /** Of an image with the tag `v1`. */
  digest: string;
  manifest: object;
  /** A blob that no manifest refers to. */
  blob: string;
  /** Of an upload that has begun. */
  location: string;
}

async function pushed(): Promise<Pushed> {
  const account = await createAccount();
  await createService(account);
  const client = registryClient(account, account.admin);
  const { digest, manifest } = await client.pushImage("v1");
  const { digest: blob } = await client.pushBlob(someBytes(30));
  const begun = await client.request("blobs/uploads/", { method: "POST" });
  return { client, digest, manifest, blob, location: begun.headers.get("location") ?? "" };
}

type Request = (pushed: Pushed) => Promise<Response>;

const upload =
  (method: string, query = ""): Request =>
  ({ client, location }) =>
    send(location + query, { method, headers: { authorization: client.authorization }, body: someBytes(9) });

const changes: [string, Request][] = [
  ["POST of an upload", ({ client }) => client.request("blobs/uploads/", { method: "POST" })],
  ["PATCH of an upload", upload("PATCH")],
  ["PUT of an upload", upload("PUT", `?digest=sha256:${"0".repeat(64)}`)],
  [
    "DELETE of an upload",
    ({ client, location }) =>
      send(location, { method: "DELETE", headers: { authorization: client.authorization } }),
  ],
  ["PUT of a manifest", async ({ client, manifest }) => (await client.putManifest("v2", manifest)).answer],
  ["DELETE of a tag", ({ client }) => client.request("manifests/v1", { method: "DELETE" })],
  [
    "DELETE of a manifest",
    ({ client, digest }) => client.request(`manifests/${digest}`, { method: "DELETE" }),
  ],
  ["DELETE of a blob", ({ client, blob }) => client.request(`blobs/${blob}`, { method: "DELETE" })],
];

describe("while nothing can be written", () => {
  test.for(changes)("a push is refused in the registry's own form: %s", async ([, request]) => {
    const world = await pushed();
    await fillStorage();
    const answer = await request(world);
    expect(answer.headers.get("retry-after")).toBe("10");
    expect(await refusalOf(answer)).toEqual([503, "UNAVAILABLE"]);
  });

  test("a push is refused when its bytes were read, since a client that still sends gets no answer", async () => {
    const { client, location } = await pushed();
    await fillStorage();
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    const sent = Promise.all([writer.write(someBytes(300_000)), writer.close()]);
    const headers = { authorization: client.authorization };
    const [answer] = await Promise.all([send(location, { method: "PATCH", headers, body: readable }), sent]);
    expect(await refusalOf(answer)).toEqual([503, "UNAVAILABLE"]);
  });

  test("images are pulled, and what was refused is pushed once there is room", async () => {
    const { client, digest, manifest, blob } = await pushed();
    const makeRoom = await fillStorage();
    const before = await (await client.request("tags/list")).json();
    expect((await client.request("manifests/v1")).headers.get("docker-content-digest")).toBe(digest);
    expect((await client.request(`blobs/${blob}`)).status).toBe(200);
    expect((await client.putManifest("v2", manifest)).answer.status).toBe(503);
    expect(await (await client.request("tags/list")).json()).toEqual(before);
    makeRoom();
    expect((await client.putManifest("v2", manifest)).answer.status).toBe(201);
  });
});
