import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { imageStore } from "../../src/local/image-store.ts";
import { makeFolder } from "../support/folder.ts";
import { run } from "../support/process.ts";

test("an image is named by the SHA-256 of its program, and its command runs that program", async () => {
  await using folder = await makeFolder();
  const images = imageStore(join(folder.path, "images"));
  const digest = await images.put("console.log('hello')");
  expect(digest).toBe("sha256:46289932de1604479260f0178bba3a5f7019d133b263efc139c9a18d856bebf1");

  const image = await images.commands({ repository: "any", digest });
  const [program = "", ...args] = image?.command ?? [];
  expect((await run([program, ...args])).stdout).toBe("hello\n");
});

test("programs that differ are different images, and the same one is the same", async () => {
  await using folder = await makeFolder();
  const images = imageStore(folder.path);
  const digests = [await images.put("1"), await images.put("2"), await images.put("1")];
  expect(new Set(digests).size).toBe(2);
  expect(digests[0]).toBe(digests[2]);
});

test("a digest that was never kept has no command", async () => {
  await using folder = await makeFolder();
  const images = imageStore(join(folder.path, "images"));
  expect(await images.commands({ repository: "any", digest: `sha256:${"0".repeat(64)}` })).toBeNull();
});

test("a program that is not what its digest says does not run", async () => {
  await using folder = await makeFolder();
  const images = imageStore(folder.path);
  const digest = await images.put("console.log('whole')");
  const [file = ""] = await readdir(folder.path);
  await writeFile(join(folder.path, file), "console.log('wh");
  await expect(images.commands({ repository: "any", digest })).rejects.toThrow("is not what its name says");
});
