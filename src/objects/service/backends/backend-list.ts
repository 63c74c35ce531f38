import { idAlphabet } from "../../../domain/ids.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { Backend, BackendQuery } from "../../../protocol/v3/backends.ts";
import type { Page } from "../../../protocol/v3/list.ts";
import { matchesQuery } from "../../backend-query.ts";
import type { BackendWithStatus } from "../../contract.ts";
import type { Env } from "../../env.ts";
import { pageStart, toPage } from "../../page.ts";
import { handedOn } from "../../rpc.ts";
import { backendsStub } from "../../stubs.ts";
import type { BackendRow, ServiceRow } from "../sql/service.sql.ts";
import { backendInfo, type ServiceState } from "../state.ts";
import { statusEntry } from "./lifecycle.ts";

/** The live backends of a service but for those that are not to be shown. */
export function liveBackends(
  state: ServiceState,
  service: ServiceRow,
  isHidden: (row: BackendRow) => boolean,
): BackendWithStatus[] {
  return state.sql
    .liveBackends()
    .filter((row) => !isHidden(row))
    .map((row) => withStatus(service, row));
}

function withStatus(service: Pick<ServiceRow, "account" | "name">, row: BackendRow): BackendWithStatus {
  const held = row.held_at === null ? {} : { heldSince: row.held_at };
  return { info: backendInfo(service, row), status: statusEntry(row), ...held };
}

/** One backend as a list shows it: as this object knows it, or its shard once it has ended. As `ServiceRpc.getBackend`. */
export async function findBackend(
  env: Env,
  state: ServiceState,
  backendId: string,
  allowedEnvironments: readonly string[] | undefined,
): Promise<Result<Backend>> {
  if (!state.db.ready) return fail("backend_not_found", `backend \`${backendId}\` not found`);
  const service = state.row();
  const row = state.sql.backend(backendId);
  const found = row ? ok(withStatus(service, row)) : await endedBackend(env, service, backendId);
  if (!found.ok) return found;
  const { environment } = found.value.info;
  if (allowedEnvironments !== undefined && !allowedEnvironments.includes(environment)) {
    return fail("forbidden", `this token may not look at backends of environment \`${environment}\``);
  }
  return ok(backendView(found.value));
}

async function endedBackend(
  env: Env,
  { account, name }: ServiceRow,
  backendId: string,
): Promise<Result<BackendWithStatus>> {
  const described = await backendsStub(env, account, name, backendId).describe(account, name, backendId);
  if (!described.ok) return handedOn<BackendWithStatus>(described);
  const { info, history } = described.value;
  const status = history.at(-1);
  if (!status) throw new Error(`backend ${backendId} has no history`);
  return ok({ info: { ...info, pin: { ...info.pin } }, status: { ...status } });
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
  return ok(toPage(found, query.limit, ({ info }) => info.fencingToken, backendView));
}

function backendView({ info, status, heldSince }: BackendWithStatus): Backend {
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
    ...(heldSince === undefined ? {} : { held_since: isoTime(heldSince) }),
  };
}
