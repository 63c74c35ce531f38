import { judgeDeletedService } from "../../domain/deleted-services.ts";
import { formerEnvironmentsKept } from "../../domain/limits.ts";
import type { ServiceLocation } from "../../domain/location.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { AccountConfig, Actor, Retirement, ServiceDescription } from "../contract.ts";
import { beginMassTermination } from "./backends/mass-terminations.ts";
import { describeService } from "./description.ts";
import { recordEvent } from "./feed/event-outbox.ts";
import { createDefaultEnvironment } from "./pins/environments.ts";
import { findEnvironment } from "./pins/find-environment.ts";
import type { ServiceState } from "./state.ts";

/** What the account passes when it creates a service. */
export interface NewService {
  account: string;
  name: string;
  code: string;
  location: ServiceLocation;
  defaultEnvironment?: string;
  config: AccountConfig;
  /** Fencing tokens up to here may have been given out by a service of this name that was forgotten. */
  fencingFloor: number;
}

/** Sets a service up, or up anew after its removal: then it keeps its code and its fencing tokens. */
export function initialise(
  state: ServiceState,
  service: NewService,
  actor: Actor,
  now: number,
): Result<ServiceDescription> {
  const existing = state.sql.service();
  if (existing?.removed_at === null) {
    // The first attempt was cut short; the account may have changed its clusters since.
    if (service.config.version > existing.config_version) state.setConfig(service.config);
    return ok(describeService(state, existing, undefined, 0));
  }
  if (existing) state.sql.reviveService(now);
  else {
    state.sql.insertService({
      account: service.account,
      name: service.name,
      code: service.code,
      created_at: now,
      default_environment: null,
      fencing_ceiling: service.fencingFloor,
      config: JSON.stringify(service.config),
      config_version: service.config.version,
      location: service.location,
    });
  }
  state.setConfig(service.config);
  if (service.defaultEnvironment !== undefined) state.sql.setDefaultEnvironment(service.defaultEnvironment);
  const created = createDefaultEnvironment(state, actor, now);
  return created.ok ? ok(describeService(state, state.row(), undefined, 0)) : created;
}

/** Takes a newer configuration over, unless it drops a cluster that an environment or a live backend needs. */
export function applyAccountConfig(state: ServiceState, config: AccountConfig): Result<null> {
  if (config.version <= state.row().config_version) return ok(null);
  const kept = new Set(config.clusters.map(({ name }) => name));
  const needed = [
    ...state.environments.all().flatMap(({ cluster }) => cluster ?? []),
    ...state.backends.live().map(({ cluster }) => cluster),
  ];
  const missing = needed.find((cluster) => !kept.has(cluster));
  if (missing !== undefined) return fail("cluster_in_use", `cluster \`${missing}\` is in use`);
  state.setConfig(config);
  return ok(null);
}

/** Says which environment requests without a name use; null: none. */
export function setDefaultEnvironment(
  state: ServiceState,
  name: string | null,
  actor: Actor,
  now: number,
): Result<ServiceDescription> {
  if (name !== null) {
    const found = findEnvironment(state, name);
    if (!found.ok) return found;
  }
  state.sql.setDefaultEnvironment(name);
  const details = { default_environment: name };
  recordEvent(state, { type: "service.changed", actor, service: state.row().name, details }, now);
  return ok(describeService(state, state.row(), undefined, 0));
}

/** Begins the termination of every backend, which goes on in the background, and forgets environments and images. */
export function removeService(state: ServiceState, now: number): Result<null> {
  const all = { cause: "service_deleted", hard: false, createdBefore: null, environments: null } as const;
  beginMassTermination(state, all, now);
  for (const row of [...state.drains.all()])
    state.drains.end(row, { reason: "service_deleted", actor: null }, now);
  state.sql.rememberRevisions(null, formerEnvironmentsKept);
  state.sql.removeService(now);
  state.sql.deleteDrains();
  state.usage.forget();
  return ok(null);
}

/** As `ServiceRpc.retire`. */
export function retire(state: ServiceState, now: number): Retirement {
  if (!state.db.ready) return { state: "forgettable", fencingCeiling: 0 };
  return state.db.transaction(() => {
    const { removed_at: removedAt, emptied_at: emptySince, fencing_ceiling: fencingCeiling } = state.row();
    const isEmpty =
      removedAt !== null &&
      state.backends.size === 0 &&
      state.deliveries.all().length === 0 &&
      state.sql.queuedEvents(1).length === 0;
    const kept = judgeDeletedService({ isEmpty, emptySince }, now);
    if (kept === null) return { state: "forgettable", fencingCeiling };
    if (kept.emptySince !== emptySince) state.sql.setEmptied(kept.emptySince);
    return { state: "kept", lookAt: kept.lookAt };
  });
}
