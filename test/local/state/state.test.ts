import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openState } from "../../../src/local/state/state.ts";
import { makeFolder } from "../../support/folder.ts";

test("secrets are made once, kept for their owner only, and differ between directories", async () => {
  await using folder = await makeFolder();
  await using other = await makeFolder();
  const { path, state } = await openState(folder.path);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await openState(folder.path)).state).toEqual(state);
  const { root_token, signing_keys } = (await openState(other.path)).state;
  expect(root_token).not.toBe(state.root_token);
  expect(signing_keys).not.toEqual(state.signing_keys);
});

test("a change is there at the next start, and leaves no other file behind", async () => {
  await using folder = await makeFolder();
  const file = await openState(folder.path);
  await file.update({ token: "demo_a.b", seeded: true });
  const { state } = await openState(folder.path);
  expect(state).toEqual({ ...file.state, token: "demo_a.b", seeded: true });
  expect(await readdir(folder.path)).toEqual(["secrets.json"]);
});

test.each(["", "{", '{"root_token":1}'])("a file with %j in it is refused by its name", async (text) => {
  await using folder = await makeFolder();
  const path = join(folder.path, "secrets.json");
  await writeFile(path, text);
  await expect(openState(folder.path)).rejects.toThrow(`${path} is not what`);
});

test("a file from before there were images for containers is read", async () => {
  await using folder = await makeFolder();
  const { path, state } = await openState(folder.path);
  const { demo_images, ...earlier } = state;
  await writeFile(path, JSON.stringify(earlier));
  expect((await openState(folder.path)).state).toEqual({ ...state, demo_images });
});
