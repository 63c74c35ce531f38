import type { Stats } from "node:fs";
import { lstat, mkdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "../../../log.ts";

/** As Linux: a chain of more symbolic links than this is taken for a loop. */
const linksMax = 40;

/** Why a path is not looked up. */
export class LeavesRoot extends Error {}

/** The names on the way from an image's root to a place in it: none of them is a link, `.` or `..`. */
export type PlaceInRoot = string[];

export interface Lookup {
  /** What to do about directories on the way that are not there: by default, the place is null. */
  missing?: "make";
  /** Whether the place itself must be a directory. */
  isDirectory?: boolean;
}

/**
 * Finds a place in an image's root as its own processes would see it: absolute paths and links begin at the root. Each
 * link is read here and none is left to the system, which would follow it out of the root.
 * @returns null where it is not there. Rejects where the path leaves the root, or goes through a file
 */
export async function placeInRoot(
  root: string,
  path: string,
  lookup: Lookup = {},
): Promise<PlaceInRoot | null> {
  const place: PlaceInRoot = [];
  const ahead = namesOf(path);
  let links = 0;
  let isThere = true;
  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    if (name === "..") {
      if (place.pop() === undefined) throw new LeavesRoot(`\`${path}\` leaves the image`);
      continue;
    }
    const here = join(root, ...place, name);
    const found = isThere ? await statOf(here) : null;
    if (found?.isSymbolicLink()) {
      if (++links > linksMax) throw new Error(`\`${path}\` goes through too many links`);
      const target = await readlink(here);
      if (target.startsWith("/")) place.length = 0;
      ahead.unshift(...namesOf(target));
      continue;
    }
    const mustBeDirectory = ahead.length > 0 || lookup.isDirectory === true;
    if (!found) {
      if (lookup.missing === "make" && mustBeDirectory) await mkdir(here);
      // A missing part may be created later, so the rest of the path is checked as well.
      else isThere = false;
    } else if (mustBeDirectory && !found.isDirectory()) {
      throw new Error(`\`${path}\` goes through a file`);
    }
    place.push(name);
  }
  return isThere ? place : null;
}

/** The names that a path is made of, without `.` and empty ones. */
export function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

/** What is at a path, the link itself where it is one; null where nothing is. */
export async function statOf(path: string): Promise<Stats | null> {
  try {
    return await lstat(path);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
}
