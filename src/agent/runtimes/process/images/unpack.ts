import { chmod, link, mkdir, open, readdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { readLayer } from "./layer-bytes.ts";
import { LeavesRoot, namesOf, type PlaceInRoot, placeInRoot, statOf } from "./root-path.ts";
import { forEachTarEntry, type TarEntry } from "./tar-entries.ts";
import { UnpackingBudget, type UnpackingLimits, unpackingLimits } from "./unpacking-limits.ts";

/** OCI Image 1.1, "Whiteouts". */
const whiteoutPrefix = ".wh.";
const opaqueWhiteout = ".wh..wh..opq";
/** Prefix of the internal files of AUFS, which whiteouts come from. */
const privatePrefix = ".wh..wh.";

export interface Layer {
  /** Where its bytes are, compressed or not. */
  path: string;
  /** The digest of its archive, as the image's configuration has it. */
  diffId: string;
}

/**
 * Unpacks an image's layers, one over the other, into an empty folder. Nothing is written outside of it and no link
 * leads out of it. Modes are kept but for setuid, setgid and sticky, and what the agent needs to copy and remove it all;
 * owners and times are not.
 * Rejects for a layer that would do more than that or go beyond the limits, or does not match its `diffId`.
 */
export async function unpackLayers(
  root: string,
  layers: readonly Layer[],
  signal: AbortSignal,
  limits: UnpackingLimits = unpackingLimits,
): Promise<void> {
  const links: PlaceInRoot[] = [];
  const budget = new UnpackingBudget(limits);
  for (const { path, diffId } of layers) {
    const unpacking = new LayerUnpacking(root, links, budget);
    const algorithm = diffId.slice(0, diffId.indexOf(":"));
    const read = (archive: AsyncIterable<Buffer>) =>
      forEachTarEntry(archive, (entry) => unpacking.take(entry));
    const actual = await readLayer(path, algorithm, budget.layer(), read, signal);
    if (actual !== diffId)
      throw new Error(`the layer is ${actual}, where the image's configuration has ${diffId}`);
  }
  for (const place of links) await refuseLinkOut(root, place);
}

/** A link that is safe by itself may lead out of the root through a later one. A dangling link is harmless. */
async function refuseLinkOut(root: string, place: PlaceInRoot): Promise<void> {
  try {
    await placeInRoot(root, place.join("/"));
  } catch (error) {
    if (error instanceof LeavesRoot) throw error;
  }
}

class LayerUnpacking {
  readonly #root: string;
  readonly #links: PlaceInRoot[];
  /** The paths of this layer, with their parents: its whiteouts apply to the layers below only. */
  readonly #made = new Set<string>();
  readonly #budget: UnpackingBudget;

  /** @param links is added to */
  constructor(root: string, links: PlaceInRoot[], budget: UnpackingBudget) {
    this.#root = root;
    this.#links = links;
    this.#budget = budget;
  }

  async take(entry: TarEntry): Promise<void> {
    const before = this.#made.size;
    await this.#take(entry);
    this.#budget.addPlaces(Math.max(1, this.#made.size - before));
  }

  async #take(entry: TarEntry): Promise<void> {
    const names = safeNames(entry.path);
    const name = names.pop();
    if (name === undefined) {
      if (entry.type !== "Directory") throw new Error("the root of the image is not a directory");
      return;
    }
    if (name.startsWith(whiteoutPrefix)) return this.#whiteOut(names, name);
    const parent = await placeInRoot(this.#root, names.join("/"), { missing: "make", isDirectory: true });
    if (parent === null) throw new Error(`\`${entry.path}\` has no directory to be in`);
    const place = [...parent, name];
    await this.#put(entry, place);
    for (let length = place.length; length > 0; length--) this.#made.add(place.slice(0, length).join("/"));
  }

  async #put(entry: TarEntry, place: PlaceInRoot): Promise<void> {
    const path = join(this.#root, ...place);
    const mode = (entry.mode ?? 0o644) & 0o777;
    const before = await statOf(path);
    const keepsDirectory = entry.type === "Directory" && before?.isDirectory() === true;
    if (before && !keepsDirectory) await rm(path, { recursive: true });
    switch (entry.type) {
      case "Directory":
        if (!keepsDirectory) await mkdir(path);
        return chmod(path, mode | 0o700);
      case "File":
      case "OldFile":
      case "ContiguousFile":
        return writeFile(path, entry, mode | 0o400);
      case "SymbolicLink":
        this.#links.push(place);
        return symlink(linkTarget(entry, place), path);
      case "Link":
        return link(await this.#fileLinkedTo(entry), path);
      default:
        throw new Error(`\`${entry.path}\` is a ${entry.type}, which is not unpacked`);
    }
  }

  async #fileLinkedTo({ path, linkpath }: TarEntry): Promise<string> {
    const names = safeNames(linkpath ?? "");
    const name = names.pop();
    const parent = await placeInRoot(this.#root, names.join("/"), { isDirectory: true });
    const target = parent && name !== undefined ? join(this.#root, ...parent, name) : null;
    if (target === null || !(await statOf(target))?.isFile()) {
      throw new Error(`\`${path}\` is a hard link to \`${linkpath}\`, which is no file of the image`);
    }
    return target;
  }

  async #whiteOut(names: string[], name: string): Promise<void> {
    const parent = await placeInRoot(this.#root, names.join("/"), { isDirectory: true });
    if (name === opaqueWhiteout) {
      if (parent) await this.#removeChildrenFromBelow(parent);
      return;
    }
    if (name.startsWith(privatePrefix)) return;
    const hidden = name.slice(whiteoutPrefix.length);
    if (hidden === "" || hidden === "." || hidden === "..") {
      throw new Error(`\`${[...names, name].join("/")}\` hides no name`);
    }
    if (parent) await this.#removeFromBelow([...parent, hidden]);
  }

  /** Removes what the layers below have put at a place, and leaves what this one has. */
  async #removeFromBelow(place: PlaceInRoot): Promise<void> {
    const path = join(this.#root, ...place);
    if (!this.#made.has(place.join("/"))) return rm(path, { recursive: true, force: true });
    if ((await statOf(path))?.isDirectory()) await this.#removeChildrenFromBelow(place);
  }

  async #removeChildrenFromBelow(place: PlaceInRoot): Promise<void> {
    for (const name of await readdir(join(this.#root, ...place)))
      await this.#removeFromBelow([...place, name]);
  }
}

/** The names of an entry's path. Throws for one that is not plainly below the root. */
function safeNames(path: string): string[] {
  const names = namesOf(path);
  if (path.startsWith("/") || path.includes("\0") || names.includes("..")) {
    throw new Error(`\`${path}\` is not a path below the image's root`);
  }
  return names;
}

/** What a link is to hold: an absolute target begins at the image's root and not at this machine's. */
function linkTarget({ path, linkpath = "" }: TarEntry, place: PlaceInRoot): string {
  const isAbsolute = linkpath.startsWith("/");
  const at = isAbsolute ? [] : place.slice(0, -1);
  for (const name of namesOf(linkpath)) {
    if (name !== "..") at.push(name);
    else if (at.pop() === undefined)
      throw new Error(`\`${path}\` is a link out of the image: \`${linkpath}\``);
  }
  if (!isAbsolute) return linkpath;
  return [...place.slice(1).map(() => ".."), ...namesOf(linkpath)].join("/") || ".";
}

async function writeFile(path: string, entry: TarEntry, mode: number): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(entry.bytes);
    await file.chmod(mode);
  } finally {
    await file.close();
  }
}
