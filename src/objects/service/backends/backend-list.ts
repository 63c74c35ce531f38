import { checkReach } from "../../../domain/credentials/access.ts";
import { liveBackendsPerCall } from "../../../domain/limits.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { Backend, BackendQuery } from "../../../protocol/v3/backends.ts";
import type { Page } from "../../../protocol/v3/list.ts";
import { matchesQuery } from "../../backend-query.ts";
import type { BackendWithStatus } from "../../contract.ts";
import type { Env } from "../../env.ts";
import { newestFirst, type Position, pageFrom, readCursor } from "../../page.ts";
import { handedOn } from "../../rpc.ts";
import { backendsStub } from "../../stubs.ts";
import { backendInfo } from "../backend-info.ts";
import { placeOf } from "../place.ts";
import type { BackendRow, KeptBackend, ServiceRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { backendView } from "./backend-view.ts";
import { pageOfEnded } from "./ended-list.ts";
import type { Heartbeats } from "./heartbeats.ts";
import { statusEntry } from "./lifecycle.ts";

/** How many live backends are judged by their clusters at once at most, for a list that leaves out what these do not list. */
const judgedAtOnceMax = 1_000;

export interface ListPorts {
  state: ServiceState;
  heartbeats: Pick<Heartbeats, "unlisted">;
}

type Place = Pick<Position<number>, "key" | "leadsBack">;
type Nearest = (from: Place, atMost: number) => KeptBackend[];

interface LiveQuery {
  /** Those that match and are nearest to a position, newest first or, where it leads back, oldest first: fewer than so many are all. */
  nearest: Nearest;
  from: Place;
  atMost: number;
}

/**
 * Live backends, those nearest to where it begins first, without those that no agent has listed for longer than the lease unless their keys
 * are held. Fewer than `atMost` are all that there are.
 */
async function liveBackends(
  { state, heartbeats }: ListPorts,
  { nearest, from: { key: start, leadsBack }, atMost }: LiveQuery,
): Promise<Result<BackendWithStatus[]>> {
  const shown: BackendWithStatus[] = [];
  // Few are left out as a rule: more are judged at a time only while it is many.
  let key = start;
  for (let atOnce = atMost, hasMore = true; hasMore && shown.length < atMost; atOnce *= 2) {
    const limit = Math.min(atOnce, judgedAtOnceMax);
    const next = state.withService((service) =>
      ok({ service, candidates: nearest({ key, leadsBack }, limit) }),
    );
    if (!next.ok) return next;
    const { service, candidates } = next.value;
    hasMore = candidates.length === limit;
    key = candidates.at(-1)?.fencing_token ?? key;
    const unlisted = await heartbeats.unlisted(service, candidates, Date.now());
    const ids = candidates.flatMap(({ id, held_at }) => (held_at !== null || !unlisted.has(id) ? [id] : []));
    for (const id of ids) {
      const row = shown.length < atMost ? state.backend(id) : undefined;
      if (row && row.status !== "terminated") shown.push(withStatus(service, row));
    }
  }
  return ok(shown);
}

/** The next live backends below a fencing token but those whose keys are held, as `liveBackends`. */
export function shownBackends(ports: ListPorts, before: number): Promise<Result<BackendWithStatus[]>> {
  const { backends } = ports.state;
  return liveBackends(ports, {
    nearest: ({ key }, atMost) => backends.before(key, atMost, ({ held_at }) => held_at === null),
    from: { key: before, leadsBack: false },
    atMost: liveBackendsPerCall,
  });
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

/** A page of live backends, newest first; the fencing token orders them. */
async function pageOfLive(
  ports: ListPorts,
  query: BackendQuery,
  allowedEnvironments: readonly string[] | undefined,
): Promise<Result<Page<Backend>>> {
  const from = readCursor(query, newestFirst);
  if (!from.ok) return from;
  const nearest = nearestOf(ports.state, query, allowedEnvironments);
  const found = await liveBackends(ports, { nearest, from: from.value, atMost: query.limit + 1 });
  if (!found.ok) return found;
  const page = pageFrom(from.value, query.limit, found.value, {
    keyOf: ({ info }) => info.fencingToken,
    item: backendView,
    isAny: (beyond) => nearest(beyond, 1).length > 0,
  });
  return ok(page);
}

/** Those that a query means. At most one of each environment has a key, and is found by it. */
function nearestOf(
  { backends }: Pick<ServiceState, "backends">,
  query: BackendQuery,
  allowedEnvironments: readonly string[] | undefined,
): Nearest {
  const matches = (row: KeptBackend) => matchesQuery(query, { info: row, status: row }, allowedEnvironments);
  const { key: held, environment } = query;
  if (held === undefined) {
    return ({ key, leadsBack }, atMost) =>
      leadsBack ? backends.after(key, atMost, matches) : backends.before(key, atMost, matches);
  }
  const environments = environment === undefined ? [...backends.liveByEnvironment().keys()] : [environment];
  const holders = environments
    .flatMap((name) => backends.holder(name, held) ?? [])
    .filter(matches)
    .sort((a, b) => b.fencing_token - a.fencing_token);
  return ({ key, leadsBack }, atMost) =>
    (leadsBack
      ? holders.filter((row) => row.fencing_token > key).reverse()
      : holders.filter((row) => row.fencing_token < key)
    ).slice(0, atMost);
}
