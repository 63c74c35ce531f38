import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { isName, mountPattern, mountRule } from "../../../domain/names.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { messageOf } from "../../log.ts";
import type { StartSpec } from "../runtime.ts";

/** Where a backend finds its mount, as Jamsocket's backends do. */
export const mountTarget = "/plane-data";

/** Below the base: what belongs to keys. No mount's name leads into it. */
const keyedFolder = "by-key";

/** Keys that are used as folder names as they are: none that case-insensitive file systems would confuse. */
const plainKeyPattern = /^[a-z0-9][a-z0-9._-]{0,127}$/;

/** The folder that a spawn requests, as names below the base; null where it requests none. */
export function mountFolder({ mount, env }: Pick<StartSpec, "mount" | "env">): Result<string[] | null> {
  if (mount === undefined || mount === false) return ok(null);
  if (mount !== true) {
    return mountPattern.test(mount) && mount.toLowerCase() !== keyedFolder
      ? ok([mount])
      : fail("bad_request", `mount \`${mount}\` is not usable: ${mountRule}, and not \`${keyedFolder}\``);
  }
  const {
    JAMSOCKET_SERVICE: service = "",
    SLIPWAY_ENVIRONMENT: environment = "",
    SESSION_BACKEND_KEY: key,
  } = env;
  if (key === undefined) return fail("bad_request", "mount `true` is the key's folder, and there is no key");
  if (!isName(service) || !isName(environment)) {
    return fail(
      "bad_request",
      "mount `true` is the folder of a key of a service's environment: none is named",
    );
  }
  const hashed = () => `sha256=${createHash("sha256").update(key).digest("hex")}`;
  return ok([keyedFolder, service, environment, plainKeyPattern.test(key) ? key : hashed()]);
}

/**
 * Makes the folder that a spawn requests. @param base undefined where this agent mounts nothing
 * @returns where it is on this machine; null where none is requested
 */
export async function prepareMount(
  base: string | undefined,
  spec: StartSpec,
): Promise<Result<string | null>> {
  const folder = mountFolder(spec);
  if (!folder.ok || folder.value === null) return folder.ok ? ok(null) : folder;
  if (base === undefined) return fail("bad_request", "this cluster's agent has no folder for mounts");
  const path = join(resolve(base), ...folder.value);
  try {
    await mkdir(path, { recursive: true });
    return ok(path);
  } catch (error) {
    return fail("internal_error", `the mount cannot be made: ${messageOf(error)}`);
  }
}
