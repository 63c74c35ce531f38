import type { StatusEntry } from "../../domain/backends/status.ts";
import { checkReach } from "../../domain/credentials/access.ts";
import type { Result } from "../../domain/result.ts";
import type { Actor, BackendRecord } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { backendsStub } from "../../objects/stubs.ts";
import type { BackendLocation } from "../locate-backend.ts";

/** Describes a backend, as its shard has it. */
export function describeBackend(env: Env, backend: BackendLocation): Promise<Result<BackendRecord>> {
  const { account, service, id } = backend;
  return backendsStub(env, backend, id).describe(account, service, id);
}

/** The same for a token that may be narrowed to some environments. */
export async function describeBackendTo(
  actor: Actor,
  env: Env,
  backend: BackendLocation,
): Promise<Result<BackendRecord>> {
  const described = await describeBackend(env, backend);
  if (!described.ok) return described;
  const reach = checkReach(actor.environments, described.value.info.environment);
  return reach.ok ? described : reach;
}

/** The current status of a backend; a record's history is never empty. */
export function currentStatus({ info, history }: BackendRecord): StatusEntry {
  const current = history.at(-1);
  if (!current) throw new Error(`backend ${info.id} has no history`);
  return current;
}
