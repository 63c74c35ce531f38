import { BoundedMap } from "../domain/bounded-map.ts";
import { parseBackendId } from "../domain/ids.ts";
import { serviceCodesCachedMs } from "../domain/limits.ts";
import { fail, ok, type Result } from "../domain/result.ts";
import type { PlacedService } from "../objects/contract.ts";
import type { Env } from "../objects/env.ts";
import { directoryStub } from "../objects/stubs.ts";

/** Of a backend: its id, its service, and where that is. */
export interface BackendLocation extends PlacedService {
  id: string;
}

const cachedServices = 10_000;

/** The service of each service code, for as long as it may be taken from here, in milliseconds since the epoch. */
export type ServiceCodes = BoundedMap<{ placed: PlacedService; until: number }>;

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
  if (known && known.until > now) return ok({ id, ...known.placed });
  const found = await directoryStub(env, code).lookup(code);
  if (!found) return backendNotFound(id);
  const placed = { account: found.account, service: found.service, location: found.location };
  codes.set(code, { placed, until: now + serviceCodesCachedMs });
  return ok({ id, ...placed });
}

/** The same failure for ids that are malformed, unknown, or another account's (invariant 8). */
export function backendNotFound(id: string) {
  return fail("backend_not_found", `backend \`${id.slice(0, 80)}\` not found`);
}
