import { parseBackendId } from "../domain/ids.ts";
import { fail, ok, type Result } from "../domain/result.ts";
import type { Env } from "../objects/env.ts";
import { directoryStub } from "../objects/stubs.ts";
import { BoundedMap } from "./bounded-map.ts";

export interface BackendPlace {
  id: string;
  account: string;
  service: string;
}

const cachedServices = 10_000;

/** Where a service code leads. It never changes once it is given, so it is kept for the life of the isolate. */
export type ServiceCodes = BoundedMap<{ account: string; service: string }>;

export function newServiceCodes(): ServiceCodes {
  return new BoundedMap(cachedServices);
}

/** The service that a backend id belongs to. The backend itself may not exist: its own objects know. */
export async function locateBackend(
  env: Env,
  id: string,
  codes: ServiceCodes,
): Promise<Result<BackendPlace>> {
  const code = parseBackendId(id)?.serviceCode;
  if (code === undefined) return backendNotFound(id);
  const known = codes.get(code);
  if (known) return ok({ id, ...known });
  const found = await directoryStub(env, code).lookup(code);
  if (!found) return backendNotFound(id);
  const place = { account: found.account, service: found.service };
  codes.set(code, place);
  return ok({ id, ...place });
}

/** The one answer for ids that are malformed, unknown, or another account's. */
export function backendNotFound(id: string) {
  return fail("backend_not_found", `backend \`${id.slice(0, 80)}\` not found`);
}
