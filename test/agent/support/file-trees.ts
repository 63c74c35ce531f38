import { createHash } from "node:crypto";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

/**
 * All that a tree is: by path the kind, the mode, and what a file or link holds. The names of one file have the same number.
 * No link is followed, as `readdir` would do that lists a tree.
 */
export async function describeTree(root: string): Promise<Record<string, string>> {
  const files = new Map<string, number>();
  const described: Record<string, string> = {};
  const ahead = [""];
  for (let path = ahead.pop(); path !== undefined; path = ahead.pop()) {
    const at = join(root, path);
    const found = await lstat(at);
    const mode = (found.mode & 0o7777).toString(8);
    if (found.isDirectory()) {
      described[path] = `folder ${mode}`;
      for (const name of (await readdir(at)).sort()) ahead.push(join(path, name));
    } else if (found.isSymbolicLink()) described[path] = `link to ${await readlink(at)}`;
    else {
      const id = `${found.dev}:${found.ino}`;
      if (!files.has(id)) files.set(id, files.size);
      const hash = createHash("sha256").update(await readFile(at));
      described[path] = `file ${files.get(id)} ${mode} ${found.size} ${hash.digest("hex")}`;
    }
  }
  return described;
}
