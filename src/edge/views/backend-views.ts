import type { StatusEntry } from "../../domain/backends/status.ts";
import { checkReach } from "../../domain/credentials/access.ts";
import { ok, type Result } from "../../domain/result.ts";
import type { Actor, BackendRecord, BackendWithStatus, ServiceRpc } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub, backendsStub, serviceStub } from "../../objects/stubs.ts";
import { toFullState } from "../../protocol/backend-state.ts";
import { isoTime } from "../../protocol/primitives.ts";
import type { BackendLocation } from "../locate-backend.ts";

/** Describes a backend, as its shard has it. */
export function describeBackend(
  env: Env,
  { account, service, id }: BackendLocation,
): Promise<Result<BackendRecord>> {
  return backendsStub(env, account, service, id).describe(account, service, id);
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

/** So many answers are waited for, and held, at once. */
const servicesReadAtOnce = 50;

/** The live backends of every service of an account, as v1 and v2 list them. */
export async function runningBackends(env: Env, account: string) {
  const names = await accountStub(env, account).serviceNames();
  if (!names.ok) return names;
  const lists: Awaited<ReturnType<ServiceRpc["liveBackends"]>>[] = [];
  for (let at = 0; at < names.value.length; at += servicesReadAtOnce) {
    const some = names.value.slice(at, at + servicesReadAtOnce);
    lists.push(...(await Promise.all(some.map((name) => serviceStub(env, account, name).liveBackends()))));
  }
  const failed = lists.find((list) => !list.ok && list.error.code !== "service_not_found");
  if (failed && !failed.ok) return failed;
  return ok({ running_backends: lists.flatMap((list) => (list.ok ? list.value.map(runningBackend) : [])) });
}

function runningBackend({ info, status }: BackendWithStatus) {
  return {
    id: info.id,
    created_at: isoTime(info.createdAt),
    service_name: info.service,
    cluster_name: info.cluster,
    account_name: info.account,
    status: toFullState(status),
    ...(info.key === null ? {} : { key: info.key }),
  };
}
