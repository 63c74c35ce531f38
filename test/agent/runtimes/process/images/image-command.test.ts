import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { registryClient } from "../../../../../src/agent/registry/client.ts";
import { contentStore } from "../../../../../src/agent/registry/content-store.ts";
import { imageStore } from "../../../../../src/agent/runtimes/process/images/image-store.ts";
import { makeFolder } from "../../../../support/folder.ts";
import { startCluster } from "../../../support/cluster.ts";
import { imageOf, type LayerEntry, layerOf } from "../../../support/oci-image.ts";
import { startOciRegistry } from "../../../support/oci-registry.ts";
import { never } from "../../../support/streams.ts";

const entries: LayerEntry[] = [
  { path: "app/main.mjs", text: "" },
  { path: "app/run", text: "#!/bin/sh\n", mode: 0o755 },
  { path: "usr/bin/tool", text: "#!/bin/sh\n", mode: 0o755 },
  { path: "usr/bin/alias", type: "SymbolicLink", linkpath: "/usr/bin/tool" },
  { path: "bin", type: "SymbolicLink", linkpath: "usr/bin" },
];

async function imagesFrom(config: Record<string, unknown>, layer: readonly LayerEntry[] = entries) {
  const registry = await startOciRegistry();
  const folder = await makeFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const image = registry.add(imageOf([layerOf(layer)], config));
  const images = imageStore({ content: contentStore(folder.path), registry: registryClient(null) });
  const root = join(folder.path, "roots", ...image.digest.split(":"), "root");
  return { image, images, root };
}

describe("an image's command", () => {
  test("is its entrypoint and then its command, with its variables and its directory", async () => {
    const { image, images, root } = await imagesFrom({
      Entrypoint: ["/usr/bin/tool", "-x"],
      Cmd: ["/app", "y"],
      Env: ["A=1", "B=x=y", "A=2", "nonsense"],
      WorkingDir: "/app",
    });
    expect(await images(image, never)).toEqual({
      ok: true,
      value: {
        command: [join(root, "usr/bin/tool"), "-x", "/app", "y"],
        env: { A: "2", B: "x=y" },
        cwd: join(root, "app"),
        files: expect.anything(),
      },
    });
  });

  test.for([
    ["/usr/bin/tool", "/", "usr/bin/tool"],
    ["/bin/alias", "/", "usr/bin/tool"],
    ["./run", "/app", "app/run"],
    ["../bin/tool", "/app", "usr/bin/tool"],
    ["tool", "/app", "usr/bin/tool"],
    ["bin/tool", "", "usr/bin/tool"],
  ] as const)("%s in %s is a program of the image", async ([program, WorkingDir, path]) => {
    const { image, images, root } = await imagesFrom({ Cmd: [program], WorkingDir });
    expect(await images(image, never)).toMatchObject({ ok: true, value: { command: [join(root, path)] } });
  });

  test.for([
    ["main.mjs", "main.mjs"],
    ["/app/main.mjs", "<root>/app/main.mjs"],
  ] as const)("node %s is this Node with the image's script", async ([script, argument]) => {
    const { image, images, root } = await imagesFrom({
      Cmd: ["node", "--no-warnings", script, "/app"],
      WorkingDir: "/app",
    });
    const command = [process.execPath, "--no-warnings", argument.replace("<root>", root), "/app"];
    expect(await images(image, never)).toMatchObject({ ok: true, value: { command } });
  });

  test("runs in a directory that its layers do not have", async () => {
    const { image, images, root } = await imagesFrom({ Cmd: ["node"], WorkingDir: "/var/lib/new" });
    expect(await images(image, never)).toMatchObject({ ok: true, value: { cwd: join(root, "var/lib/new") } });
  });

  test.for([
    ["no command", {}, "says no command"],
    ["a program that it does not have", { Cmd: ["/bin/sh"] }, "no file `/bin/sh`"],
    ["a program that this machine alone has", { Cmd: ["ls"] }, "no program `ls`"],
    ["a program out of its root", { Cmd: ["../../../../bin/sh"] }, "leaves the image"],
    ["a script out of its root", { Cmd: ["node", "/../outside.mjs"] }, "leaves the image"],
    ["a directory out of its root", { Cmd: ["node"], WorkingDir: "/../.." }, "leaves the image"],
    ["a directory that is a file", { Cmd: ["node"], WorkingDir: "/app/main.mjs" }, "goes through a file"],
  ] as const)("%s is refused", async ([, config, why]) => {
    const { image, images } = await imagesFrom(config);
    expect(await images(image, never)).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining(why) },
    });
  });
});

test("a backend runs the image that its spawn names, pulled from the registry by digest", async () => {
  const script = `
    import { createServer } from "node:http";
    import { readFileSync } from "node:fs";
    const seen = { argument: process.argv[2], image: process.env.FROM_IMAGE, text: readFileSync("text", "utf8") };
    createServer((_, response) => response.end(JSON.stringify(seen))).listen(process.env.PORT, "127.0.0.1");
  `;
  const { image, images } = await imagesFrom(
    { Entrypoint: ["node", "main.mjs"], Cmd: ["argument"], Env: ["FROM_IMAGE=yes"], WorkingDir: "/app" },
    [
      { path: "app/main.mjs", text: script },
      { path: "app/text", text: "from the layer" },
    ],
  );
  const cluster = await startCluster({ images });
  const { repository, digest } = image;
  const id = await cluster.spawnReady("serve", {
    image: { reference: `${repository}@${digest}`, repository, digest, tag: null },
  });
  expect(await cluster.get(id, "/")).toEqual({ argument: "argument", image: "yes", text: "from the layer" });
});
