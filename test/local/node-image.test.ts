import { join } from "node:path";
import { expect, test } from "vitest";
import { imageStore } from "../../src/agent/images/image-store.ts";
import { registryClient } from "../../src/agent/images/registry-client.ts";
import { nodeImage } from "../../src/local/node-image.ts";
import { startOciRegistry } from "../agent/support/oci-registry.ts";
import { makeFolder } from "../support/folder.ts";
import { run } from "../support/process.ts";

test("an image of a Node program runs that program", async () => {
  const registry = await startOciRegistry();
  await using folder = await makeFolder();
  const { manifest, config, layers } = nodeImage("console.log('hello')");
  const blobs = new Map([config, ...layers].map(({ digest, bytes }) => [digest, bytes]));
  const image = registry.add({ digest: manifest.digest, manifest: manifest.bytes, blobs });

  const images = imageStore({ dir: join(folder.path, "images"), registry: registryClient(null) });
  const found = await images(image, new AbortController().signal);
  const { command, cwd } = found.ok ? found.value : { command: [], cwd: undefined };
  const [program = "", ...args] = command;
  expect((await run([program, ...args], { cwd: cwd ?? "" })).stdout).toBe("hello\n");
});

test("the same program is the same image, wherever and whenever it is built", () => {
  expect(nodeImage("console.log('hello')").manifest.digest).toBe(
    "sha256:a6dccc8933f72f079f067bd59b9e9988480ed17792048ba2be8eda81e3bb541d",
  );
  expect(nodeImage("console.log('other')").manifest.digest).not.toBe(
    nodeImage("console.log('hello')").manifest.digest,
  );
});
