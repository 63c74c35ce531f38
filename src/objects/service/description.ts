import { recentPinsShown } from "../../domain/limits.ts";
import type { EnvironmentOverview, ServiceDescription, ServiceOverview } from "../contract.ts";
import { environmentView } from "./pins/environments.ts";
import { revisionView } from "./pins/revisions.ts";
import type { ServiceRow } from "./sql/service.sql.ts";
import type { ServiceState } from "./state.ts";

export function describeService(state: ServiceState, service: ServiceRow): ServiceDescription {
  const rows = state.sql.environments();
  const [lastPush] = state.sql.recentPushes(1);
  const spawned = rows.flatMap((row) => state.lastSpawnedAt(row) ?? []);
  return {
    account: service.account,
    name: service.name,
    createdAt: service.created_at,
    defaultEnvironment: service.default_environment,
    lastSpawnedAt: spawned.length === 0 ? null : Math.max(...spawned),
    lastImageUploadedAt: lastPush?.pushed_at ?? null,
    lastImageDigest: lastPush?.digest ?? null,
    liveBackends: state.sql.liveBackends().length,
    environments: rows.map((row) => environmentView(state, row)),
  };
}

/** What an overview shows of each environment that the caller may see. */
export function serviceOverview(
  state: ServiceState,
  service: ServiceRow,
  allowedEnvironments: readonly string[] | undefined,
): ServiceOverview {
  const running = Map.groupBy(state.sql.liveByDigest(), ({ environment }) => environment);
  const environments = state.sql
    .environments()
    .filter(({ name }) => allowedEnvironments?.includes(name) ?? true)
    .map(
      (row): EnvironmentOverview => ({
        ...environmentView(state, row),
        pins: state.sql.revisionsBefore(row.seq, row.revision + 1, recentPinsShown).map(revisionView),
        running: (running.get(row.name) ?? []).map(({ digest, count }) => ({
          digest,
          tags: state.sql.tagsOf(digest).map(({ tag }) => tag),
          count,
        })),
      }),
    );
  return { defaultEnvironment: service.default_environment, environments };
}
