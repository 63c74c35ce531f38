import { createHash, randomUUID } from "node:crypto";
import { existsSync, renameSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fail, ok, type Result } from "../../domain/result.ts";
import { hasCode, messageOf } from "../log.ts";

/** What bytes must be to be kept: those of the digest, and of this size. */
export interface Expected {
  digest: string;
  /** In bytes: exactly so many, or at most. */
  size: number | { atMost: number };
}

/** What is kept: bytes, or the unpacked image of a manifest. */
export interface Content {
  kind: "blobs" | "roots";
  digest: string;
}

/**
 * A folder of verified content. Whatever has its final name there is complete: it was made under another one and
 * renamed.
 */
export interface ContentStore {
  /** Belongs to one agent. */
  readonly dir: string;
  /** Where the bytes of a digest are, null where they are not kept. */
  blob(digest: string): Promise<string | null>;
  /** Streams bytes to disk and keeps them if they are what is expected. @returns where */
  addBlob(expected: Expected, bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Result<string>>;
  /** Where the unpacked image of a manifest is, null where it is not. */
  root(manifestDigest: string): Promise<string | null>;
  /** Lets `build` fill a new folder and keeps it if that succeeds, in the place of one that is there. @returns where */
  addRoot(manifestDigest: string, build: (dir: string) => Promise<Result<null>>): Promise<Result<string>>;
  /** Where content is or would be. */
  pathOf(content: Content): string;
  /** All that is kept of a kind. */
  list(kind: Content["kind"]): Promise<Content[]>;
  /**
   * Removes content, each for readers at once; what is not there is passed over.
   * @param mayRemove called right before: nothing is removed, and false returned, where it says so
   */
  remove(contents: readonly Content[], mayRemove: () => boolean): Promise<boolean>;
  /** Removes what an earlier agent was making or removing when it ended. */
  clearUnfinished(): Promise<void>;
}

/** @param dir belongs to one agent: what an earlier one was making when it ended is removed from it */
export function contentStore(dir: string): ContentStore {
  const incoming = join(dir, "incoming");
  const pathOf = (kind: Content["kind"], digest: string) => join(dir, kind, ...digest.split(":"));
  let cleared: Promise<void> | undefined;

  function clearUnfinished(): Promise<void> {
    cleared ??= rm(incoming, { recursive: true, force: true });
    return cleared;
  }

  async function newPath(): Promise<string> {
    await clearUnfinished();
    await mkdir(incoming, { recursive: true, mode: 0o700 });
    return join(incoming, randomUUID());
  }

  async function existing(path: string): Promise<string | null> {
    try {
      await stat(path);
      return path;
    } catch (error) {
      if (hasCode(error, "ENOENT")) return null;
      throw error;
    }
  }

  return {
    dir,
    blob: (digest) => existing(pathOf("blobs", digest)),
    root: (digest) => existing(pathOf("roots", digest)),

    async addBlob(expected, bytes, signal) {
      const path = pathOf("blobs", expected.digest);
      const unfinished = await newPath();
      try {
        const problem = await writeVerified(unfinished, expected, bytes, signal);
        if (problem !== null) return fail("unavailable", problem);
        await mkdir(dirname(path), { recursive: true });
        await rename(unfinished, path);
        return ok(path);
      } finally {
        await rm(unfinished, { force: true });
      }
    },

    async addRoot(digest, build) {
      const path = pathOf("roots", digest);
      const unfinished = await newPath();
      try {
        await mkdir(unfinished);
        const built = await build(unfinished);
        if (!built.ok) return built;
        await mkdir(dirname(path), { recursive: true });
        await rm(path, { recursive: true, force: true });
        await rename(unfinished, path);
        return ok(path);
      } finally {
        await rm(unfinished, { recursive: true, force: true });
      }
    },

    pathOf: ({ kind, digest }) => pathOf(kind, digest),

    async list(kind) {
      const algorithms = await namesIn(join(dir, kind));
      const listed = await Promise.all(
        algorithms.map(async (algorithm) =>
          (await namesIn(join(dir, kind, algorithm))).map((hex) => ({ kind, digest: `${algorithm}:${hex}` })),
        ),
      );
      return listed.flat();
    },

    async remove(contents, mayRemove) {
      const trash = await newPath();
      await mkdir(trash);
      try {
        if (!mayRemove()) return false;
        for (const [index, { kind, digest }] of contents.entries()) {
          const path = pathOf(kind, digest);
          if (existsSync(path)) renameSync(path, join(trash, String(index)));
        }
        return true;
      } finally {
        await rm(trash, { recursive: true, force: true });
      }
    },

    clearUnfinished,
  };
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  }
}

/** @returns what is wrong with the bytes, null for nothing. Rejects when the disk fails */
async function writeVerified(
  path: string,
  { digest, size }: Expected,
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<string | null> {
  const hash = createHash(digest.slice(0, digest.indexOf(":")));
  const most = typeof size === "number" ? size : size.atMost;
  let length = 0;
  const file = await open(path, "wx", 0o600);
  try {
    for await (const chunk of interruptible(bytes, signal)) {
      length += chunk.byteLength;
      if (length > most) return `\`${digest}\` has more than the ${most} bytes that it may have`;
      hash.update(chunk);
      await file.writeFile(chunk);
    }
    if (typeof size === "number" && length !== size)
      return `\`${digest}\` broke off after ${length} bytes of ${size}`;
    const actual = `${digest.slice(0, digest.indexOf(":"))}:${hash.digest("hex")}`;
    if (actual !== digest) return `what came for \`${digest}\` has the digest ${actual}`;
    await file.sync();
    return null;
  } catch (error) {
    if (error instanceof BrokenOff) return `\`${digest}\` broke off after ${length} bytes: ${error.message}`;
    throw error;
  } finally {
    await file.close();
  }
}

/** A failure of the sender, not of this machine. */
class BrokenOff extends Error {}

async function* interruptible(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal) {
  try {
    for await (const chunk of bytes) {
      signal.throwIfAborted();
      yield chunk;
    }
  } catch (error) {
    throw new BrokenOff(messageOf(error));
  }
}
