import { createHash } from "node:crypto";
import { lstat, mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { isName, mountPattern, mountRule } from "../../../domain/names.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { hasCode, messageOf } from "../../log.ts";
import type { StartSpec } from "../runtime.ts";

/** Where a backend finds its mount, as Jamsocket's backends do. */
export const mountTarget = "/plane-data";

/** Below the base: what belongs to keys. No mount has this name: once it would have led into it. */
const keyedFolder = "by-key";

/**
 * Below the base: what has a name, which means something else in each environment of each service. No name that was
 * ever taken begins so: no backend can have put anything here.
 */
const namedFolder = "_by-name";

/** Keys that are used as folder names as they are: none that case-insensitive file systems would confuse. */
const plainKeyPattern = /^[a-z0-9][a-z0-9._-]{0,127}$/;

/**
 * The folder that a spawn requests, as names below the base; null where it requests none. It belongs to the spawn's
 * environment of its service: what the same name or key means there is not seen from anywhere else.
 */
export function mountFolder({ mount, env }: Pick<StartSpec, "mount" | "env">): Result<string[] | null> {
  if (mount === undefined || mount === false) return ok(null);
  const { JAMSOCKET_SERVICE: service = "", SLIPWAY_ENVIRONMENT: environment = "" } = env;
  if (!isName(service) || !isName(environment)) {
    return fail("bad_request", "a mount belongs to an environment of a service: none is named");
  }
  const place = mount === true ? keyPlace(env.SESSION_BACKEND_KEY) : namedPlace(mount);
  return place.ok ? ok([place.value.kind, service, environment, place.value.folder]) : place;
}

interface Place {
  kind: string;
  folder: string;
}

function namedPlace(name: string): Result<Place> {
  if (mountPattern.test(name) && name.toLowerCase() !== keyedFolder) {
    return ok({ kind: namedFolder, folder: name });
  }
  return fail("bad_request", `mount \`${name}\` is not usable: ${mountRule}, and not \`${keyedFolder}\``);
}

function keyPlace(key: string | undefined): Result<Place> {
  if (key === undefined) return fail("bad_request", "mount `true` is the key's folder, and there is no key");
  const hashed = () => `sha256=${createHash("sha256").update(key).digest("hex")}`;
  return ok({ kind: keyedFolder, folder: plainKeyPattern.test(key) ? key : hashed() });
}

/**
 * Makes the folder that a spawn requests. @param base undefined where this agent mounts nothing
 * @returns where it is on this machine; null where none is requested; `bad_request` while a folder of this name is
 *   where names of all environments were once: whose it is, only somebody who knows what is in it can say
 */
export async function prepareMount(
  base: string | undefined,
  spec: Pick<StartSpec, "mount" | "env">,
): Promise<Result<string | null>> {
  const folder = mountFolder(spec);
  if (!folder.ok || folder.value === null) return folder.ok ? ok(null) : folder;
  if (base === undefined) return fail("bad_request", "this cluster's agent has no folder for mounts");
  const path = join(resolve(base), ...folder.value);
  try {
    const former = typeof spec.mount === "string" ? join(resolve(base), spec.mount) : null;
    if (former !== null && !(await exists(path)) && (await exists(former))) return unclaimed(former, path);
    await mkdir(path, { recursive: true });
    return ok(path);
  } catch (error) {
    return fail("internal_error", `the mount cannot be made: ${messageOf(error)}`);
  }
}

function unclaimed(former: string, path: string) {
  return fail(
    "bad_request",
    `the mount is not opened: ${former} is from when all environments shared it; move it to ${path}, or away`,
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}
