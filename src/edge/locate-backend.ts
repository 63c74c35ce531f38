import { parseBackendId } from "../domain/ids.ts";
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

/** The service of each service code. An assignment never changes, so it is cached for the life of the isolate. */
export type ServiceCodes = BoundedMap<{ account: string; service: string }>;

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
  if (known) return ok({ id, ...known });
  const found = await directoryStub(env, code).lookup(code);
  if (!found) return backendNotFound(id);
  const location = { account: found.account, service: found.service };
  codes.set(code, location);
  return ok({ id, ...location });
}

/** The same failure for ids that are malformed, unknown, or another account's (invariant 8). */
export function backendNotFound(id: string) {
  return fail("backend_not_found", `backend \`${id.slice(0, 80)}\` not found`);
}
