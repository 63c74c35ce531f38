import type { StatusEntry } from "../../../domain/backends/status.ts";
import { idAlphabet } from "../../../domain/ids.ts";
import { ok, type Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { Backend, BackendQuery } from "../../../protocol/v3/backends.ts";
import type { Page } from "../../../protocol/v3/list.ts";
import { matchesQuery } from "../../backend-query.ts";
import type { BackendInfo, BackendWithStatus } from "../../contract.ts";
import type { Env } from "../../env.ts";
import { pageStart, toPage } from "../../page.ts";
import { backendsStub } from "../../stubs.ts";
import type { ServiceRow } from "../sql/service.sql.ts";
import { backendInfo, type ServiceState } from "../state.ts";
import { statusEntry } from "./lifecycle.ts";

/** The live backends of a service but for some that are not to be shown. */
export function liveBackends(
  state: ServiceState,
  service: ServiceRow,
  hidden: ReadonlySet<string>,
): BackendWithStatus[] {
  return state.sql
    .liveBackends()
    .filter(({ id }) => !hidden.has(id))
    .map((row) => ({ info: backendInfo(service, row), status: statusEntry(row) }));
}

/** Ended backends with a fencing token below `before`, from every shard. */
export async function endedBackends(
  env: Env,
  { account, name, code }: ServiceRow,
  query: BackendQuery,
  before: number,
  allowedEnvironments: readonly string[] | undefined,
): Promise<BackendWithStatus[]> {
  const shards = Array.from(idAlphabet, (shard) =>
    backendsStub(env, account, name, `${code}${shard}0000000`).ended(query, before, allowedEnvironments),
  );
  return (await Promise.all(shards)).flat();
}

/** A page of backends, newest first; the fencing token orders them. */
export async function pageOfBackends(
  query: BackendQuery,
  allowedEnvironments: readonly string[] | undefined,
  candidates: (before: number) => Promise<BackendWithStatus[]>,
): Promise<Result<Page<Backend>>> {
  const start = pageStart(query);
  if (!start.ok) return start;
  const found = (await candidates(start.value))
    .filter(
      (backend) =>
        backend.info.fencingToken < start.value && matchesQuery(query, backend, allowedEnvironments),
    )
    .sort((a, b) => b.info.fencingToken - a.info.fencingToken);
  return ok(
    toPage(
      found,
      query.limit,
      ({ info }) => info.fencingToken,
      ({ info, status }) => backendView(info, status),
    ),
  );
}

function backendView(info: BackendInfo, status: StatusEntry): Backend {
  return {
    id: info.id,
    account: info.account,
    service: info.service,
    environment: info.environment,
    cluster: info.cluster,
    status: status.status,
    status_at: isoTime(status.time),
    image: { image: info.pin.image, digest: info.digest, revision: info.pin.revision },
    ...(info.key === null ? {} : { key: info.key }),
    fencing_token: info.fencingToken,
    created_at: isoTime(info.createdAt),
  };
}
