import { checkReach } from "../../../domain/credentials/access.ts";
import { idAlphabet } from "../../../domain/ids.ts";
import { liveBackendsPerCall } from "../../../domain/limits.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { Backend, BackendQuery } from "../../../protocol/v3/backends.ts";
import type { Page } from "../../../protocol/v3/list.ts";
import { matchesQuery } from "../../backend-query.ts";
import type { BackendWithStatus, EndPosition } from "../../contract.ts";
import type { Env } from "../../env.ts";
import { newestFirst, type Position, pageFrom, readCursor } from "../../page.ts";
import { handedOn } from "../../rpc.ts";
import { backendsStub } from "../../stubs.ts";
import { placeOf } from "../place.ts";
import type { BackendRow, KeptBackend, ServiceRow } from "../sql/service.sql.ts";
import { backendInfo, type ServiceState } from "../state.ts";
import type { Heartbeats } from "./heartbeats.ts";
import { statusEntry } from "./lifecycle.ts";

/** How many live backends are judged by their clusters at once, for a list that leaves out what these do not list. */
const judgedAtOnce = 1_000;

export interface ListPorts {
  state: ServiceState;
  heartbeats: Pick<Heartbeats, "unlisted">;
}

interface LiveQuery {
  matches(backend: KeptBackend): boolean;
  /** They are older than this fencing token, or younger where it leads back. */
  from: Pick<Position<number>, "key" | "leadsBack">;
  atMost: number;
}

/**
 * Live backends, those nearest to where it begins first, without those that no agent has listed for longer than the lease unless their keys
 * are held. Fewer than `atMost` are all that there are.
 */
async function liveBackends(
  { state, heartbeats }: ListPorts,
  { matches, from: { key, leadsBack }, atMost }: LiveQuery,
): Promise<Result<BackendWithStatus[]>> {
  const shown: BackendWithStatus[] = [];
  for (let from = key; shown.length < atMost; ) {
    const next = state.withService((service) => {
      const candidates = nearest(state, { matches, from: { key: from, leadsBack }, atMost: judgedAtOnce });
      return ok({ service, candidates });
    });
    if (!next.ok) return next;
    const { service, candidates } = next.value;
    const last = candidates.at(-1);
    if (!last) break;
    from = last.fencing_token;
    const unlisted = await heartbeats.unlisted(service, candidates, Date.now());
    const ids = candidates.flatMap(({ id, held_at }) => (held_at !== null || !unlisted.has(id) ? [id] : []));
    for (const id of ids) {
      const row = shown.length < atMost ? state.backend(id) : undefined;
      if (row && row.status !== "terminated") shown.push(withStatus(service, row));
    }
  }
  return ok(shown);
}

/** The live backends that match and are nearest to where a list begins. */
function nearest(
  { backends }: Pick<ServiceState, "backends">,
  { matches, from: { key, leadsBack }, atMost }: LiveQuery,
): KeptBackend[] {
  if (!leadsBack) return backends.before(key, atMost, matches);
  return backends
    .live()
    .filter((row) => row.fencing_token > key && matches(row))
    .slice(0, atMost);
}

/** The next live backends below a fencing token but those whose keys are held, as `liveBackends`. */
export function shownBackends(ports: ListPorts, before: number): Promise<Result<BackendWithStatus[]>> {
  const matches = ({ held_at }: Pick<BackendRow, "held_at">) => held_at === null;
  const from = { key: before, leadsBack: false };
  return liveBackends(ports, { matches, from, atMost: liveBackendsPerCall });
}

/** A page of live backends, or of ended ones where these are asked for. */
export async function pageOfBackends(
  env: Env,
  ports: ListPorts,
  query: BackendQuery,
  allowedEnvironments: readonly string[] | undefined,
): Promise<Result<Page<Backend>>> {
  if (query.status !== "terminated") return pageOfLive(ports, query, allowedEnvironments);
  const found = ports.state.withService(ok);
  return found.ok ? pageOfEnded(env, found.value, query, allowedEnvironments) : found;
}

function withStatus(service: Pick<ServiceRow, "account" | "name">, row: BackendRow): BackendWithStatus {
  const held = row.held_at === null || row.status === "terminated" ? {} : { heldSince: row.held_at };
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
  const row = state.backend(backendId);
  const found = row ? ok(withStatus(service, row)) : await endedBackend(env, service, backendId);
  if (!found.ok) return found;
  const reach = checkReach(allowedEnvironments, found.value.info.environment);
  return reach.ok ? ok(backendView(found.value)) : reach;
}

async function endedBackend(
  env: Env,
  service: ServiceRow,
  backendId: string,
): Promise<Result<BackendWithStatus>> {
  const { account, name } = service;
  const described = await backendsStub(env, placeOf(service), backendId).describe(account, name, backendId);
  if (!described.ok) return handedOn<BackendWithStatus>(described);
  const { info, history } = described.value;
  const status = history.at(-1);
  if (!status) throw new Error(`backend ${backendId} has no history`);
  return ok({ info: { ...info, pin: { ...info.pin } }, status: { ...status } });
}

/** What a termination was answered here; of one that is not running, its shard must know that it was. */
export async function unlessUnknown(
  env: Env,
  state: ServiceState,
  backendId: string,
  answer: Result<null>,
): Promise<Result<null>> {
  if (answer.ok || answer.error.code !== "backend_not_running" || !state.db.ready) return answer;
  const service = state.row();
  const { account, name } = service;
  const known = await backendsStub(env, placeOf(service), backendId).describe(account, name, backendId);
  return known.ok ? answer : handedOn<null>(known);
}

const endCursor = /^(\d{1,15})-(\d{1,15})$/;

/**
 * A page of ended backends, the last end first, from every shard. With a filter that matches few of them it may hold less
 * than its limit, or nothing, and have a next page all the same.
 */
async function pageOfEnded(
  env: Env,
  service: ServiceRow,
  query: BackendQuery,
  allowedEnvironments: readonly string[] | undefined,
): Promise<Result<Page<Backend>>> {
  const [, endedAt, token] = endCursor.exec(query.cursor ?? `${"9".repeat(15)}-0`) ?? [];
  if (endedAt === undefined || token === undefined) {
    return fail("bad_request", "`cursor` is not one that a list gave");
  }
  const before: EndPosition = { endedAt: Number(endedAt), fencingToken: Number(token) };
  const shards = await Promise.all(
    Array.from(idAlphabet, (shard) =>
      backendsStub(env, placeOf(service), `${service.code}${shard}0000000`).ended(
        query,
        before,
        allowedEnvironments,
      ),
    ),
  );
  // What lies beyond where one shard stopped to look may have others of that shard before it.
  const readTo = shards.flatMap((shard) => shard.readTo ?? []).reduce<EndPosition | null>(later, null);
  const found = shards
    .flatMap(({ backends }) => backends)
    .map((backend) => ({ ...backend, position: positionOf(backend) }))
    .filter(({ position }) => readTo === null || compareEnds(position, readTo) <= 0)
    .sort((a, b) => compareEnds(a.position, b.position));
  const shown = found.slice(0, query.limit);
  const last = shown.at(-1)?.position;
  const next = found.length > query.limit && last ? last : readTo;
  return ok({
    items: shown.map(backendView),
    next: next && `${next.endedAt}-${next.fencingToken}`,
    previous: null,
  });
}

function positionOf({ info, status }: BackendWithStatus): EndPosition {
  return { endedAt: status.time, fencingToken: info.fencingToken };
}

/** Negative where `a` is listed before `b`: it ended later. */
function compareEnds(a: EndPosition, b: EndPosition): number {
  return b.endedAt - a.endedAt || b.fencingToken - a.fencingToken;
}

function later(a: EndPosition | null, b: EndPosition): EndPosition {
  return a === null || compareEnds(b, a) < 0 ? b : a;
}

/** A page of live backends, newest first; the fencing token orders them. */
async function pageOfLive(
  ports: ListPorts,
  query: BackendQuery,
  allowedEnvironments: readonly string[] | undefined,
): Promise<Result<Page<Backend>>> {
  const from = readCursor(query, newestFirst);
  if (!from.ok) return from;
  const matches = (row: KeptBackend) => matchesQuery(query, { info: row, status: row }, allowedEnvironments);
  const found = await liveBackends(ports, { matches, from: from.value, atMost: query.limit + 1 });
  if (!found.ok) return found;
  const page = pageFrom(from.value, query.limit, found.value, {
    keyOf: ({ info }) => info.fencingToken,
    item: backendView,
    isAny: (beyond) => nearest(ports.state, { matches, from: beyond, atMost: 1 }).length > 0,
  });
  return ok(page);
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
    image: { image: info.image ?? info.pin.image, digest: info.digest, revision: info.pin.revision },
    ...(info.key === null ? {} : { key: info.key }),
    fencing_token: info.fencingToken,
    created_at: isoTime(info.createdAt),
    ...(heldSince === undefined ? {} : { held_since: isoTime(heldSince) }),
  };
}
