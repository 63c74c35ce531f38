import { reaches, type Scope } from "../../domain/credentials/access.ts";
import { environmentNamesListed } from "../../domain/limits.ts";
import type { ServiceDescription } from "../contract.ts";
import { environmentGlance } from "./pins/environments.ts";
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
  const rows = allowed === undefined ? state.environments.all() : state.environments.reached(allowed);
  const [lastPush] = state.sql.recentPushes(1);
  return {
    account: service.account,
    name: service.name,
    createdAt: service.created_at,
    location: service.location,
    defaultEnvironment: visibleDefault(service, allowed),
    lastSpawnedAt: allowed === undefined ? state.lastSpawns.intoAny() : state.lastSpawns.intoAnyOf(rows),
    lastImageUploadedAt: lastPush?.pushed_at ?? null,
    lastImageDigest: lastPush?.digest ?? null,
    liveBackends: liveIn(state, allowed),
    environmentNames: rows.slice(0, environmentNamesListed).map(({ name }) => name),
    environmentsTotal: rows.length,
    environments: rows.slice(0, atMost).map((row) => environmentGlance(state, row)),
  };
}

/** How many backends live in the environments that a caller may see. */
export function liveIn({ backends }: ServiceState, allowed: Scope["environments"]): number {
  if (allowed === undefined) return backends.liveIn(undefined);
  return [...new Set(allowed)].reduce((live, name) => live + backends.liveIn(name), 0);
}

/** The environment that requests mean which name none, where the caller may see it. */
export function visibleDefault(
  { default_environment: name }: ServiceRow,
  allowed: Scope["environments"],
): string | null {
  return name !== null && reaches(allowed, name) ? name : null;
}
