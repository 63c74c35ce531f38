import { reaches, type Scope } from "../../domain/credentials/access.ts";
import { recentPinsShown } from "../../domain/limits.ts";
import type { EnvironmentOverview, ServiceDescription, ServiceOverview } from "../contract.ts";
import { environmentView } from "./pins/environments.ts";
import { revisionView } from "./pins/revisions.ts";
import type { IndexedBackend, ServiceRow } from "./sql/service.sql.ts";
import type { ServiceState } from "./state.ts";

/** A service, as far as its caller may see it. @param allowed the environments that they may; undefined means all */
export function describeService(
  state: ServiceState,
  service: ServiceRow,
  allowed?: Scope["environments"],
): ServiceDescription {
  const rows = state.sql.environments().filter(({ name }) => reaches(allowed, name));
  const [lastPush] = state.sql.recentPushes(1);
  const spawned = rows.flatMap((row) => state.lastSpawnedAt(row) ?? []);
  return {
    account: service.account,
    name: service.name,
    createdAt: service.created_at,
    defaultEnvironment: visibleDefault(service, allowed),
    lastSpawnedAt: spawned.length === 0 ? null : Math.max(...spawned),
    lastImageUploadedAt: lastPush?.pushed_at ?? null,
    lastImageDigest: lastPush?.digest ?? null,
    liveBackends: state.backends.live().filter(({ environment }) => reaches(allowed, environment)).length,
    environments: rows.map((row) => environmentView(state, row)),
  };
}

/** What an overview shows of each environment that the caller may see. */
export function serviceOverview(
  state: ServiceState,
  service: ServiceRow,
  allowedEnvironments: readonly string[] | undefined,
): ServiceOverview {
  const running = Map.groupBy(state.backends.live(), ({ environment }) => environment);
  const environments = state.sql
    .environments()
    .filter(({ name }) => reaches(allowedEnvironments, name))
    .map(
      (row): EnvironmentOverview => ({
        ...environmentView(state, row),
        pins: state.sql.revisionsBefore(row.seq, row.revision + 1, recentPinsShown).map(revisionView),
        running: countsOfDigests(running.get(row.name) ?? []).map(([digest, count]) => ({
          digest,
          tags: state.sql.tagsOf(digest).map(({ tag }) => tag),
          count,
        })),
      }),
    );
  return { defaultEnvironment: visibleDefault(service, allowedEnvironments), environments };
}

/** How many backends run each digest, the most common first. */
function countsOfDigests(backends: readonly IndexedBackend[]): [digest: string, count: number][] {
  const counts = new Map<string, number>();
  for (const { digest } of backends) counts.set(digest, (counts.get(digest) ?? 0) + 1);
  return [...counts].sort(([a, countOfA], [b, countOfB]) => countOfB - countOfA || (a < b ? -1 : 1));
}

function visibleDefault(
  { default_environment: name }: ServiceRow,
  allowed: Scope["environments"],
): string | null {
  return name !== null && reaches(allowed, name) ? name : null;
}
