import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ImageCommands } from "../agent/runtimes/process.ts";
import { hasCode } from "./files.ts";

/** Images of the process runtime: Node programs of one file each, named by the digest of their bytes. */
export interface ImageStore {
  /** Keeps a program. @returns its digest */
  put(program: string): Promise<string>;
  commands: ImageCommands;
}

export function imageStore(dir: string): ImageStore {
  const pathOf = (digest: string) => join(dir, `${digest.replace(":", "-")}.cjs`);

  return {
    async put(program) {
      const digest = digestOf(program);
      await mkdir(dir, { recursive: true });
      await writeFile(pathOf(digest), program, { flush: true });
      return digest;
    },

    async commands({ digest }) {
      const path = pathOf(digest);
      const program = await readOrNull(path);
      if (program === null) return null;
      // A write that a crash cut short must not run under the name of the whole.
      if (digestOf(program) !== digest) throw new Error(`${path} is not what its name says`);
      return { command: [process.execPath, path] };
    },
  };
}

function digestOf(program: string | Buffer): string {
  return `sha256:${createHash("sha256").update(program).digest("hex")}`;
}

async function readOrNull(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
}
