import { permitsChoice, type Scope } from "../../../domain/credentials/access.ts";
import type { EventDetails } from "../../../domain/events.ts";
import { formerEnvironmentsKept, maxIdleSeconds, startupTimeoutSeconds } from "../../../domain/limits.ts";
import { clusterNotFound } from "../../../domain/pins/connect.ts";
import { defaultEnvironmentName, type EnvironmentSettings } from "../../../domain/pins/environments.ts";
import { initialPin, parsePin, pinText, resolvePin } from "../../../domain/pins/pin.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type {
  CreateEnvironmentBody,
  Environment,
  EnvironmentSettingsBody,
  PatchEnvironmentBody,
} from "../../../protocol/v3/services.ts";
import type { Actor, Caller, EnvironmentGlance } from "../../contract.ts";
import { settingsOf } from "../environment-index.ts";
import { recordEvent } from "../feed/event-outbox.ts";
import type { EnvironmentRow, ServiceRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { movedNow } from "./announce.ts";
import { findEnvironment, findToChange } from "./find-environment.ts";
import { addRevision } from "./revisions.ts";

const defaultSettings: EnvironmentSettings = {
  startup_timeout_seconds: startupTimeoutSeconds,
  max_idle_seconds: maxIdleSeconds,
};

function merged(
  settings: EnvironmentSettings,
  change: EnvironmentSettingsBody | undefined,
): EnvironmentSettings {
  return {
    startup_timeout_seconds: change?.startup_timeout_seconds ?? settings.startup_timeout_seconds,
    max_idle_seconds: change?.max_idle_seconds ?? settings.max_idle_seconds,
    ...(change?.lifetime_limit_seconds === undefined && settings.lifetime_limit_seconds === undefined
      ? {}
      : { lifetime_limit_seconds: change?.lifetime_limit_seconds ?? settings.lifetime_limit_seconds ?? 0 }),
  };
}

/** An environment as the API answers it. */
export function environmentView(state: ServiceState, row: EnvironmentRow): Environment {
  return { ...environmentGlance(state, row), settings: settingsOf(row) };
}

/** Its times as the API writes them, by rows: another one takes a row's place when it changes. */
const shownTimes = new WeakMap<
  EnvironmentRow,
  { createdAt: string; spawned: number | null; spawnedAt: string | null }
>();

/** What a description of all environments says of one: all but times is at hand. */
export function environmentGlance(state: ServiceState, row: EnvironmentRow): EnvironmentGlance {
  const spawned = state.lastSpawns.into(row);
  let times = shownTimes.get(row);
  if (times?.spawned !== spawned) {
    const spawnedAt = spawned === null ? null : isoTime(spawned);
    times = { createdAt: times?.createdAt ?? isoTime(row.created_at), spawned, spawnedAt };
    shownTimes.set(row, times);
  }
  return {
    name: row.name,
    image: row.image,
    digest: row.digest,
    revision: row.revision,
    cluster: row.cluster ?? state.config().defaultCluster,
    live_backends: state.backends.liveIn(row.name),
    created_at: times.createdAt,
    last_spawned_at: times.spawnedAt,
  };
}

export function getEnvironment(
  state: ServiceState,
  name: string,
  allowed?: Scope["environments"],
): Result<Environment> {
  const row = findEnvironment(state, name, allowed);
  return row.ok ? ok(environmentView(state, row.value)) : row;
}

/** Adds an environment, records the event, and announces what it is pinned to. */
export function createEnvironment(
  state: ServiceState,
  service: ServiceRow,
  body: CreateEnvironmentBody,
  caller: Caller,
  now: number,
): Result<Environment> {
  const { actor, idempotency } = caller;
  return state.idempotency.once(idempotency, now, () => {
    const row = addEnvironment(state, service, body, caller, now);
    if (!row.ok) return row;
    const { name, image } = body;
    recordEvent(
      state,
      { type: "environment.created", actor, service: service.name, environment: name, details: { image } },
      now,
    );
    return ok(environmentView(state, row.value));
  });
}

/** Adds the environment that a service begins with, as a part of the service's own creation. */
export function createDefaultEnvironment(
  state: ServiceState,
  actor: Actor,
  now: number,
): Result<EnvironmentRow> {
  const body = { name: defaultEnvironmentName, image: pinText(initialPin) };
  // Nothing was pushed yet: no image of this registry is announced.
  return addEnvironment(state, state.row(), body, { actor, registryHost: "" }, now);
}

/**
 * Adds an environment with its first revision, after the last one that an environment of its name has had. Only
 * `initialPin` may mean nothing yet.
 */
function addEnvironment(
  state: ServiceState,
  service: ServiceRow,
  body: CreateEnvironmentBody,
  caller: Caller,
  now: number,
): Result<EnvironmentRow> {
  const { name, image } = body;
  if (state.environments.get(name)) return fail("already_exists", `environment \`${name}\` exists already`);
  const cluster = body.cluster ?? null;
  const known = checkCluster(state, cluster, caller.actor);
  if (!known.ok) return known;
  const pin = parsePin(image);
  if (!pin.ok) return pin;
  const resolved = resolvePin(pin.value, state.imageIndex());
  if (!resolved.ok && image !== pinText(initialPin)) return resolved;
  const digest = resolved.ok ? resolved.value.digest : null;
  const revision = state.sql.formerRevision(name) + 1;
  const settings = JSON.stringify(merged(defaultSettings, body.settings));
  const moved = digest === null ? { moved_at: 0, registry_host: "" } : movedNow(state, caller, now);
  state.sql.insertEnvironment({
    name,
    cluster,
    settings,
    image,
    revision,
    created_at: now,
    digest,
    ...moved,
  });
  const row = findEnvironment(state, name);
  if (row.ok) addRevision(state, service, row.value, { kind: "create", from: null }, caller, now);
  return row;
}

/** Changes an environment's cluster or settings; the event says what the patch names. */
export function patchEnvironment(
  state: ServiceState,
  service: ServiceRow,
  name: string,
  patch: PatchEnvironmentBody,
  caller: Caller,
  now: number,
): Result<Environment> {
  const row = findToChange(state, name, caller);
  if (!row.ok) return row;
  const { actor } = caller;
  const accountDefault = state.config().defaultCluster;
  const own = row.value.cluster ?? accountDefault;
  const permitted = permitsChoice(actor.environments, patch, { own, accountDefault });
  if (!permitted.ok) return permitted;
  const cluster = patch.cluster === undefined ? row.value.cluster : patch.cluster;
  const known = checkCluster(state, cluster, actor);
  if (!known.ok) return known;
  const settings = JSON.stringify(merged(settingsOf(row.value), patch.settings));
  state.sql.updateEnvironment({ name, cluster, settings });
  const details = { ...(patch.cluster === undefined ? {} : { cluster }), ...definedSettings(patch.settings) };
  if (Object.keys(details).length > 0) {
    recordEvent(
      state,
      {
        type: "environment.changed",
        actor,
        service: service.name,
        environment: name,
        details,
      },
      now,
    );
  }
  return getEnvironment(state, name);
}

function definedSettings(settings: EnvironmentSettingsBody = {}): EventDetails {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([field, value]) => (value === undefined ? [] : [[field, value]])),
  );
}

/** Deletes an environment that has no live backends and is not the only one. */
export function deleteEnvironment(
  state: ServiceState,
  service: ServiceRow,
  name: string,
  caller: Caller,
  now: number,
): Result<null> {
  const row = findToChange(state, name, caller);
  if (!row.ok) return row;
  if (state.environments.all().length === 1) {
    return fail(
      "environment_in_use",
      `\`${name}\` is the service's only environment; create another one first`,
    );
  }
  const live = state.backends.liveIn(name);
  if (live > 0) {
    return fail(
      "environment_in_use",
      `environment \`${name}\` has ${live} live backends; terminate them first`,
      {
        details: { live_backends: live },
      },
    );
  }
  state.sql.rememberRevisions(name, formerEnvironmentsKept);
  state.sql.deleteEnvironment(row.value);
  if (service.default_environment === name) state.sql.setDefaultEnvironment(null);
  state.usage.forget(name);
  const { actor } = caller;
  recordEvent(state, { type: "environment.deleted", actor, service: service.name, environment: name }, now);
  return ok(null);
}

/** Whether an environment may have this cluster: `cluster_not_found` where there is none of the name. */
function checkCluster(state: ServiceState, name: string | null, { service }: Actor): Result<null> {
  if (name === null || state.cluster(name) !== undefined) return ok(null);
  return clusterNotFound(
    name,
    service === undefined ? state.config().clusters.map((cluster) => cluster.name) : null,
  );
}
