import { existsSync } from "node:fs";
import { lstat, mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { readManifest } from "../../../../protocol/oci/pull.ts";
import { hasCode } from "../../../log.ts";
import type { Content, ContentStore } from "../../../registry/content-store.ts";
import type { RuntimeImages } from "../../runtime.ts";
import type { SessionTrees } from "../trees/session-trees.ts";

/** How often a removal begins anew because other images were being pulled meanwhile; then it is left for later. */
const attempts = 5;

/** What images consist of. */
interface Parts {
  /** By what identifies each: whether it is here or not. */
  contents: Map<string, Content>;
  /** Manifests that are not here: what they list is a part too, once they are. */
  awaited: Content[];
}

/**
 * The images that a store of the process runtime has, by the digest that they were pulled by. All in it is this agent's.
 * @param trees has copies of them, which go with them
 */
export function keptImages(content: ContentStore, trees: Pick<SessionTrees, "discardOf">): RuntimeImages {
  /** A folder never changes; looking through it takes as long as it has files. */
  const rootSizes = new Map<string, number>();

  async function addManifest(parts: Parts, digest: string, isListed = false): Promise<void> {
    const blob: Content = { kind: "blobs", digest };
    for (const one of [blob, { kind: "roots", digest } as const]) parts.contents.set(keyOf(one), one);
    const path = await content.blob(digest);
    if (path === null) {
      parts.awaited.push(blob);
      return;
    }
    const manifest = readManifest(await readFile(path));
    if (!manifest.ok) return;
    if (manifest.value.kind === "index") {
      if (isListed) return;
      for (const listed of manifest.value.manifests) await addManifest(parts, listed.digest, true);
      return;
    }
    for (const { digest: part } of [manifest.value.config, ...manifest.value.layers]) {
      const one: Content = { kind: "blobs", digest: part };
      parts.contents.set(keyOf(one), one);
    }
  }

  async function partsOf(names: Iterable<string>): Promise<Parts> {
    const parts: Parts = { contents: new Map(), awaited: [] };
    for (const name of names) await addManifest(parts, name);
    return parts;
  }

  async function sizeOf(one: Content): Promise<number> {
    const path = content.pathOf(one);
    if (one.kind === "blobs") return (await sizeOfTree(path, new Set())) ?? 0;
    const known = rootSizes.get(one.digest);
    if (known !== undefined && existsSync(path)) return known;
    rootSizes.delete(one.digest);
    const size = await sizeOfTree(path, new Set());
    if (size !== null) rootSizes.set(one.digest, size);
    return size ?? 0;
  }

  /** Removes what is of none of the images that are kept. @returns false where those did not stay the same for long enough */
  async function removeUnless(kept: () => Iterable<string>, contents: readonly Content[]): Promise<boolean> {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const names = new Set(kept());
      const others = await partsOf(names);
      const stayedSo = () =>
        isSame(new Set(kept()), names) &&
        !others.awaited.some((manifest) => existsSync(content.pathOf(manifest)));
      const unshared = contents.filter((one) => !others.contents.has(keyOf(one)));
      if (!(await content.remove(unshared, stayedSo))) continue;
      for (const one of unshared) if (one.kind === "roots") await trees.discardOf(content.pathOf(one));
      return true;
    }
    return false;
  }

  return {
    nameOf: ({ digest }) => digest,

    async folder() {
      await mkdir(content.dir, { recursive: true, mode: 0o700 });
      return content.dir;
    },

    async list(names) {
      const present = [];
      for (const name of names) {
        const { contents } = await partsOf([name]);
        const sizes = await Promise.all([...contents.values()].map(sizeOf));
        const sizeBytes = sizes.reduce((sum, size) => sum + size, 0);
        if (sizeBytes > 0) present.push({ name, sizeBytes });
      }
      return present;
    },

    async remove(name, kept) {
      const others = () => Array.from(kept()).filter((each) => each !== name);
      return removeUnless(others, [...(await partsOf([name])).contents.values()]);
    },

    async clear(kept) {
      await content.clearUnfinished();
      const all = [...(await content.list("roots")), ...(await content.list("blobs"))];
      await removeUnless(kept, all);
    },
  };
}

/** A runtime whose images are none of its own, such as commands of this machine. */
export const noImages: RuntimeImages = {
  nameOf: ({ digest }) => digest,
  folder: async () => null,
  list: async () => [],
  remove: async () => false,
  clear: async () => undefined,
};

function isSame(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.size === other.size && Array.from(one).every((each) => other.has(each));
}

const keyOf = ({ kind, digest }: Content) => `${kind} ${digest}`;

/** What the disk has for a file, or for all in a folder, each file once; null where there is none. */
async function sizeOfTree(path: string, seen: Set<number>): Promise<number | null> {
  try {
    const found = await lstat(path);
    if (seen.has(found.ino)) return 0;
    seen.add(found.ino);
    let bytes = found.blocks * 512;
    if (!found.isDirectory()) return bytes;
    for (const name of await readdir(path)) bytes += (await sizeOfTree(join(path, name), seen)) ?? 0;
    return bytes;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
}
