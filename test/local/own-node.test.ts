import { mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { expect, test } from "vitest";
import { ownNode } from "../../src/local/own-node.ts";
import { makeFolder } from "../support/folder.ts";
import { run } from "../support/process.ts";

const whyNot = process.platform === "linux" ? null : "only Linux has its loader's variable";

test("what an image gets of this machine's Node is all that it loads", async ({ skip }) => {
  skip(whyNot !== null, whyNot ?? "");
  await using folder = await makeFolder();
  const { files, libraryPath } = await ownNode();
  for (const { path, bytes } of files) {
    await mkdir(join(folder.path, dirname(path)), { recursive: true });
    await writeFile(join(folder.path, path), bytes, { mode: 0o755 });
  }
  const env = {
    LD_LIBRARY_PATH: libraryPath
      .split(":")
      .map((dir) => folder.path + dir)
      .join(":"),
  };
  const program =
    "process.report.excludeNetwork = true; console.log(process.report.getReport().sharedObjects.join())";
  const { stdout } = await run([join(folder.path, "usr/local/bin/node"), "-e", program], { env });
  const loaded = stdout
    .trim()
    .split(",")
    .filter((path) => path.startsWith("/"));
  // A program names its loader by its path, which is another system's own.
  const outside = loaded.filter((path) => !path.startsWith(`${folder.path}/`)).map((path) => basename(path));
  expect(outside).toEqual([expect.stringMatching(/^ld-/)]);
  expect(files.map(({ path }) => basename(path))).toContain(outside[0]);
});
