import type { ServiceDescription } from "../contract.ts";
import { environmentView } from "./environments.ts";
import type { ServiceRow } from "./service.sql.ts";
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
