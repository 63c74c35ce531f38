import { parseBackendId } from "../domain/ids.ts";
import { serviceCodesCachedMs } from "../domain/limits.ts";
import { fail, ok, type Result } from "../domain/result.ts";
import type { Env } from "../objects/env.ts";
import { directoryStub } from "../objects/stubs.ts";
import { BoundedMap } from "./bounded-map.ts";

export interface BackendLocation {
  id: string;
  account: string;
  service: string;
}

const cachedServices = 10_000;

/** The service of each service code, for as long as it may be taken from here, in milliseconds since the epoch. */
export type ServiceCodes = BoundedMap<{ account: string; service: string; until: number }>;

export function newServiceCodes(): ServiceCodes {
  return new BoundedMap(cachedServices);
}

/** The service that a backend id belongs to. Whether the backend exists is for its shard to say. */
export async function locateBackend(
  env: Env,
  id: string,
  codes: ServiceCodes,
): Promise<Result<BackendLocation>> {
  const code = parseBackendId(id)?.serviceCode;
  if (code === undefined) return backendNotFound(id);
  const known = codes.get(code);
  const now = Date.now();
  if (known && known.until > now) return ok({ id, account: known.account, service: known.service });
  const found = await directoryStub(env, code).lookup(code);
  if (!found) return backendNotFound(id);
  const location = { account: found.account, service: found.service };
  codes.set(code, { ...location, until: now + serviceCodesCachedMs });
  return ok({ id, ...location });
}

/** The same failure for ids that are malformed, unknown, or another account's (invariant 8). */
export function backendNotFound(id: string) {
  return fail("backend_not_found", `backend \`${id.slice(0, 80)}\` not found`);
}
