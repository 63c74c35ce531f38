import { beforeAll, describe, expect, test } from "vitest";
import { createAccount, createService, send, type TestAccount } from "../../support/worker/api.ts";
import { type RegistryClient, registryClient, sha, someBytes, types } from "../../support/worker/registry.ts";

let account: TestAccount;
let hello: RegistryClient;

beforeAll(async () => {
  account = await createAccount();
  await createService(account);
  hello = registryClient(account, account.admin);
});

/** The header's value, which must be there. */
function header(response: Response, name: string): string {
  const value = response.headers.get(name);
  if (value === null) throw new Error(`no ${name}: ${response.status}`);
  return value;
}

describe("docker's way", () => {
  test("pushes a layer of unknown length in one PATCH, an image by tag, and pulls both back", async () => {
    const layer = someBytes(12_000_000);
    const layerDigest = await sha(layer);
    expect((await hello.request(`blobs/${layerDigest}`, { method: "HEAD" })).status).toBe(404);

    const begun = await hello.request("blobs/uploads/", { method: "POST" });
    expect(begun.status).toBe(202);
    expect(header(begun, "range")).toBe("0-0");
    const location = header(begun, "location");
    const patched = await send(location, {
      method: "PATCH",
      headers: { authorization: hello.authorization },
      body: new Blob([layer]).stream(),
    });
    expect(patched.status).toBe(202);
    expect(header(patched, "range")).toBe("0-11999999");
    const put = await send(`${header(patched, "location")}?digest=${layerDigest}`, {
      method: "PUT",
      headers: { authorization: hello.authorization },
    });
    expect(put.status).toBe(201);
    expect(header(put, "docker-content-digest")).toBe(layerDigest);
    expect(header(put, "location")).toBe(`/v2/${hello.name}/blobs/${layerDigest}`);

    const config = await hello.pushBlob(new TextEncoder().encode("{}"));
    const manifest = {
      schemaVersion: 2,
      mediaType: types.dockerImage,
      config: { mediaType: "application/vnd.docker.container.image.v1+json", ...config },
      layers: [
        {
          mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip",
          digest: layerDigest,
          size: layer.byteLength,
        },
      ],
    };
    const pushed = await hello.putManifest("v1", manifest, types.dockerImage);
    expect(pushed.answer.status).toBe(201);

    const pulled = await hello.request("manifests/v1");
    expect(header(pulled, "docker-content-digest")).toBe(pushed.digest);
    expect(header(pulled, "content-type")).toBe(types.dockerImage);
    expect(await pulled.json()).toEqual(manifest);
    const blob = await hello.request(`blobs/${layerDigest}`);
    expect(header(blob, "content-length")).toBe("12000000");
    expect(await sha(await blob.arrayBuffer())).toBe(layerDigest);
  });
});
