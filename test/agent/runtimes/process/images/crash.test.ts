import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { registryClient } from "../../../../../src/agent/registry/client.ts";
import { contentStore } from "../../../../../src/agent/registry/content-store.ts";
import { imageStore } from "../../../../../src/agent/runtimes/process/images/image-store.ts";
import { makeFolder } from "../../../../support/folder.ts";
import { imageOf, layerOf } from "../../../support/oci-image.ts";
import { startOciRegistry } from "../../../support/oci-registry.ts";
import { never } from "../../../support/streams.ts";

const program = fileURLToPath(new URL("../../../fixtures/pull.ts", import.meta.url));

/** The program that unpacks them looks for the first after every few. */
const files = Array.from({ length: 1_000 }, (_, index) => ({ path: `files/${index}`, text: String(index) }));

async function namesIn(dir: string): Promise<string[]> {
  return await readdir(dir, { recursive: true }).catch(() => []);
}

test("a crash in the middle of an unpack leaves nothing that is taken for the image", {
  timeout: 60_000,
}, async () => {
  const registry = await startOciRegistry();
  await using folder = await makeFolder();
  const { repository, digest } = registry.add(imageOf([layerOf(files)]));
  const child = spawn(process.execPath, [program, folder.path, repository, digest], { stdio: "ignore" });
  await once(child, "close");
  expect(child.signalCode).toBe("SIGKILL");
  const unpacked = (await namesIn(join(folder.path, "incoming"))).filter((name) =>
    /\/root\/files\/\d+$/.test(name),
  );
  expect(unpacked.length).toBeGreaterThan(0);
  expect(unpacked.length).toBeLessThan(files.length);
  expect(await namesIn(join(folder.path, "roots"))).toEqual([]);

  registry.requests.length = 0;
  const images = imageStore({ content: contentStore(folder.path), registry: registryClient(null) });
  const pulled = await images({ repository, digest }, never);
  expect(pulled).toMatchObject({ ok: true });
  const root = pulled.ok ? (pulled.value.cwd ?? "") : "";
  expect((await readdir(join(root, "files"))).length).toBe(files.length);
  expect(await namesIn(join(folder.path, "incoming"))).toEqual([]);
  expect(registry.requests).toEqual([]);
});
