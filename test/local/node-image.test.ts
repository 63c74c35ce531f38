import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { extract } from "tar";
import { expect, test } from "vitest";
import { registryClient } from "../../src/agent/registry/client.ts";
import { contentStore } from "../../src/agent/registry/content-store.ts";
import { imageStore } from "../../src/agent/runtimes/process/images/image-store.ts";
import { localPlatform } from "../../src/agent/runtimes/process/images/platform.ts";
import { nodeImage, nodeLayer } from "../../src/local/node-image.ts";
import { tarArchive } from "../../src/local/tar-archive.ts";
import { startOciRegistry } from "../agent/support/oci-registry.ts";
import { makeFolder } from "../support/folder.ts";
import { run } from "../support/process.ts";

test("an image of a Node program runs that program", async () => {
  const registry = await startOciRegistry();
  await using folder = await makeFolder();
  const { manifest, config, layers } = nodeImage("console.log('hello')");
  const blobs = new Map([config, ...layers].map(({ digest, bytes }) => [digest, bytes]));
  const image = registry.add({ digest: manifest.digest, manifest: manifest.bytes, blobs });

  const images = imageStore({
    content: contentStore(join(folder.path, "images")),
    registry: registryClient(null),
  });
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

test("an image for containers has the Node in a layer that others share, and its program listens to the outside", () => {
  const node = nodeLayer({
    files: [
      { path: "usr/local/bin/node", bytes: Buffer.from("node"), isExecutable: true },
      { path: "lib/libc.so", bytes: Buffer.from("libc") },
    ],
    libraryPath: "/lib:/opt/lib",
  });
  const [hello, other] = [nodeImage("hello", node), nodeImage("other", node)];
  expect(hello.layers[0]).toEqual(other.layers[0]);
  expect(hello.layers).toHaveLength(2);
  const { config, architecture } = JSON.parse(hello.config.bytes.toString());
  expect(config).toEqual({
    Entrypoint: ["node"],
    Cmd: ["main.cjs"],
    WorkingDir: "/app",
    Env: ["LD_LIBRARY_PATH=/lib:/opt/lib", "HOST=0.0.0.0"],
    User: "65534:65534",
  });
  expect(architecture).toBe(localPlatform.architecture);
});

test("an archive's files are those that were put into it, programs executable", async () => {
  await using folder = await makeFolder();
  const files = [
    { path: "usr/bin/node", bytes: Buffer.from("n".repeat(1000)), isExecutable: true },
    { path: "app/main.cjs", bytes: Buffer.from("m".repeat(512)) },
    { path: "empty", bytes: Buffer.alloc(0) },
  ];
  const archive = join(folder.path, "archive.tar");
  await writeFile(archive, tarArchive(files));
  await extract({ file: archive, cwd: folder.path });
  for (const { path, bytes, isExecutable = false } of files) {
    expect(await readFile(join(folder.path, path))).toEqual(bytes);
    expect((await stat(join(folder.path, path))).mode & 0o111, path).toBe(isExecutable ? 0o111 : 0);
  }
});

test("a file whose path a tar header cannot hold is refused", () => {
  const path = Array.from({ length: 30 }, () => "directory").join("/");
  expect(() => tarArchive([{ path, bytes: Buffer.alloc(0) }])).toThrow("too long");
});
