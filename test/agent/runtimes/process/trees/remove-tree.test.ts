import { execFile } from "node:child_process";
import { chmod, chown, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { hasCode } from "../../../../../src/agent/log.ts";
import { removeTree } from "../../../../../src/agent/runtimes/process/trees/remove-tree.ts";
import { makeFolder } from "../../../../support/folder.ts";

const program = fileURLToPath(new URL("../../fixtures/remove-closed.ts", import.meta.url));
const nobody = 65_534;

test("folders that their owner has closed to itself are removed, and what links lead to stays as it is", async ({
  skip,
}) => {
  await using folder = await makeFolder();
  // Nothing is closed to root.
  const isRoot = process.getuid?.() === 0;
  if (isRoot) await chown(folder.path, nobody, nobody);
  const as = isRoot ? { uid: nobody, gid: nobody } : {};
  const { stdout } = await promisify(execFile)(process.execPath, [program, folder.path], as).catch(
    (error: unknown) => {
      if (hasCode(error, "EACCES")) skip("another user than root may not read the files of this one");
      throw error;
    },
  );
  expect(stdout).toBe("outside");
  const { mode } = await stat(join(folder.path, "outside"));
  expect(mode & 0o777).toBe(0o500);
  await chmod(join(folder.path, "outside"), 0o700);
});

test("the removal of what is not there is harmless", async () => {
  await using folder = await makeFolder();
  await removeTree(join(folder.path, "nothing"));
});
