import { reaches, type Scope } from "../../domain/credentials/access.ts";
import { namesInRowMax, recentPinsShown } from "../../domain/limits.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { ListQuery } from "../../protocol/v3/list.ts";
import type { EnvironmentOverview, ServiceDescription, ServiceOverview } from "../contract.ts";
import { toPage } from "../page.ts";
import { environmentView } from "./pins/environments.ts";
import { revisionView } from "./pins/revisions.ts";
import type { ServiceRow } from "./sql/service.sql.ts";
import type { ServiceState } from "./state.ts";

/**
 * A service, as far as its caller may see it.
 * @param allowed the environments that they may; undefined means all
 * @param atMost how many of these are described; all are counted
 */
export function describeService(
  state: ServiceState,
  service: ServiceRow,
  allowed?: Scope["environments"],
  atMost = Number.POSITIVE_INFINITY,
): ServiceDescription {
  const rows = state.environments.reached(allowed);
  const [lastPush] = state.sql.recentPushes(1);
  const spawned = rows.flatMap((row) => state.lastSpawnedAt(row) ?? []);
  return {
    account: service.account,
    name: service.name,
    createdAt: service.created_at,
    location: service.location,
    defaultEnvironment: visibleDefault(service, allowed),
    lastSpawnedAt: spawned.length === 0 ? null : Math.max(...spawned),
    lastImageUploadedAt: lastPush?.pushed_at ?? null,
    lastImageDigest: lastPush?.digest ?? null,
    liveBackends: liveIn(state, allowed),
    environments: rows.slice(0, atMost).map((row) => environmentView(state, row)),
  };
}

/** What an overview shows of each environment that the caller may see, a page of them. */
export function serviceOverview(
  state: ServiceState,
  service: ServiceRow,
  allowedEnvironments: readonly string[] | undefined,
  { limit, cursor }: ListQuery,
): Result<ServiceOverview> {
  if (cursor !== undefined && !/^\d{1,15}$/.test(cursor)) {
    return fail("bad_request", "`cursor` is not one that a list gave");
  }
  const rows = state.environments.reached(allowedEnvironments, { above: Number(cursor ?? 0) });
  const { items: environments, next } = toPage(
    rows,
    limit,
    ({ seq }) => seq,
    (row): EnvironmentOverview => ({
      ...environmentView(state, row),
      pins: state.sql.revisionsBefore(row.seq, row.revision + 1, recentPinsShown).map(revisionView),
      running: mostCommon(state.backends.digestsIn(row.name)).map(([digest, count]) => ({
        digest,
        tags: state.sql.firstTagsOf(digest, namesInRowMax).map(({ tag }) => tag),
        count,
      })),
    }),
  );
  return ok({
    location: service.location,
    defaultEnvironment: visibleDefault(service, allowedEnvironments),
    environments,
    next,
  });
}

/** How many backends live in the environments that a caller may see. */
function liveIn(state: ServiceState, allowed: Scope["environments"]): number {
  const names = allowed === undefined ? state.backends.liveByEnvironment().keys() : new Set(allowed);
  return [...names].reduce((live, name) => live + state.backends.liveIn(name), 0);
}

/** Digests with how many backends run them, the most common first. */
function mostCommon(counts: ReadonlyMap<string, number>): [digest: string, count: number][] {
  return [...counts].sort(([a, countOfA], [b, countOfB]) => countOfB - countOfA || (a < b ? -1 : 1));
}

function visibleDefault(
  { default_environment: name }: ServiceRow,
  allowed: Scope["environments"],
): string | null {
  return name !== null && reaches(allowed, name) ? name : null;
}
