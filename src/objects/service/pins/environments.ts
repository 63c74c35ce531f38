import type { EventDetails } from "../../../domain/events.ts";
import { maxIdleSeconds, startupTimeoutSeconds } from "../../../domain/limits.ts";
import { listOf } from "../../../domain/names.ts";
import {
  defaultEnvironmentName,
  type EnvironmentSettings,
  environmentNotFound,
} from "../../../domain/pins/environments.ts";
import type { ResolvedImage } from "../../../domain/pins/images.ts";
import {
  currentDigest,
  initialPin,
  parsePin,
  pinText,
  resolvePin,
  storedPin,
} from "../../../domain/pins/pin.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { ListQuery, Page } from "../../../protocol/v3/list.ts";
import type {
  CreateEnvironmentBody,
  Environment,
  EnvironmentSettingsBody,
  PatchEnvironmentBody,
  PinAnswer,
  Revision,
} from "../../../protocol/v3/services.ts";
import type { Actor } from "../../contract.ts";
import { pageStart, toPage } from "../../page.ts";
import { recordEvent } from "../feed/event-outbox.ts";
import type { EnvironmentRow, RevisionRow } from "../sql/service.sql.ts";
import { type ServiceState, settingsOf } from "../state.ts";

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

/** What an environment's pin resolves to now; null while nothing was pushed that it could mean. */
export function digestOf(state: ServiceState, row: Pick<EnvironmentRow, "image">): string | null {
  return currentDigest(storedPin(row.image), state.imageIndex());
}

export function environmentView(state: ServiceState, row: EnvironmentRow): Environment {
  const lastSpawnedAt = state.lastSpawnedAt(row);
  return {
    name: row.name,
    cluster: row.cluster ?? state.config().defaultCluster,
    image: row.image,
    digest: digestOf(state, row),
    revision: row.revision,
    settings: settingsOf(row),
    live_backends: state.sql.liveCount(row.name),
    created_at: isoTime(row.created_at),
    last_spawned_at: lastSpawnedAt === null ? null : isoTime(lastSpawnedAt),
  };
}

/** What the API says of an environment, where there is one. */
export function viewOf(state: ServiceState, row: Result<EnvironmentRow>): Result<Environment> {
  return row.ok ? ok(environmentView(state, row.value)) : row;
}

export function findEnvironment(state: ServiceState, name: string): Result<EnvironmentRow> {
  const row = state.sql.environment(name);
  if (row) return ok(row);
  return environmentNotFound(
    name,
    state.sql.environments().map((environment) => environment.name),
  );
}

/** A page of environments, newest first, of those that the caller may see. */
export function listEnvironments(
  state: ServiceState,
  query: ListQuery,
  allowedEnvironments: readonly string[] | undefined,
): Result<Page<Environment>> {
  const start = pageStart(query);
  if (!start.ok) return start;
  const rows = state.sql
    .environments()
    .filter((row) => row.seq < start.value && (allowedEnvironments?.includes(row.name) ?? true))
    .reverse();
  return ok(
    toPage(
      rows,
      query.limit,
      ({ seq }) => seq,
      (row) => environmentView(state, row),
    ),
  );
}

/** An environment, if its revision is the one that the caller expects to change. */
function matchingEnvironment(
  state: ServiceState,
  name: string,
  ifMatch: number | undefined,
): Result<EnvironmentRow> {
  const row = findEnvironment(state, name);
  if (!row.ok || ifMatch === undefined || ifMatch === row.value.revision) return row;
  const { revision, image } = row.value;
  return fail("revision_conflict", `environment \`${name}\` is at revision ${revision}, not ${ifMatch}`, {
    details: { revision, image },
  });
}

/** What the image that a request names means now. */
function resolveText(state: ServiceState, image: string): Result<ResolvedImage> {
  const pin = parsePin(image);
  return pin.ok ? resolvePin(pin.value, state.imageIndex()) : pin;
}

/** Adds an environment that somebody asked for, which is an event. */
export function createEnvironment(
  state: ServiceState,
  body: CreateEnvironmentBody,
  actor: Actor,
  now: number,
): Result<EnvironmentRow> {
  const row = addEnvironment(state, body, actor, now);
  if (!row.ok) return row;
  const environment = eventTarget(state, body.name);
  recordEvent(
    state,
    { type: "environment.created", actor, ...environment, details: { image: body.image } },
    now,
  );
  return row;
}

function eventTarget(state: ServiceState, environment: string) {
  return { service: state.row().name, environment };
}

/** Adds an environment with its first revision. What `initialPin` means need not have been pushed yet. */
function addEnvironment(
  state: ServiceState,
  body: CreateEnvironmentBody,
  actor: Actor,
  now: number,
): Result<EnvironmentRow> {
  const { name, image } = body;
  if (state.sql.environment(name)) return fail("already_exists", `environment \`${name}\` exists already`);
  const cluster = body.cluster ?? null;
  if (!state.hasCluster(cluster)) return clusterNotFound(state, cluster);
  if (image !== pinText(initialPin)) {
    const resolved = resolveText(state, image);
    if (!resolved.ok) return resolved;
  }
  const settings = JSON.stringify(merged(defaultSettings, body.settings));
  state.sql.insertEnvironment({ name, cluster, settings, image, revision: 1, created_at: now });
  const row = findEnvironment(state, name);
  if (row.ok) addRevision(state, row.value, "create", undefined, actor, now);
  return row;
}

export function createDefaultEnvironment(
  state: ServiceState,
  actor: Actor,
  now: number,
): Result<EnvironmentRow> {
  return addEnvironment(state, { name: defaultEnvironmentName, image: pinText(initialPin) }, actor, now);
}

export function patchEnvironment(
  state: ServiceState,
  name: string,
  patch: PatchEnvironmentBody,
  actor: Actor,
  ifMatch: number | undefined,
  now: number,
): Result<Environment> {
  const row = matchingEnvironment(state, name, ifMatch);
  if (!row.ok) return row;
  const cluster = patch.cluster === undefined ? row.value.cluster : patch.cluster;
  if (!state.hasCluster(cluster)) return clusterNotFound(state, cluster);
  const settings = JSON.stringify(merged(settingsOf(row.value), patch.settings));
  state.sql.updateEnvironment({ name, cluster, settings });
  const details = { ...(patch.cluster === undefined ? {} : { cluster }), ...definedSettings(patch.settings) };
  if (Object.keys(details).length > 0) {
    recordEvent(state, { type: "environment.changed", actor, ...eventTarget(state, name), details }, now);
  }
  return viewOf(state, findEnvironment(state, name));
}

function definedSettings(settings: EnvironmentSettingsBody = {}): EventDetails {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([field, value]) => (value === undefined ? [] : [[field, value]])),
  );
}

export function deleteEnvironment(
  state: ServiceState,
  name: string,
  actor: Actor,
  ifMatch: number | undefined,
  now: number,
): Result<null> {
  const row = matchingEnvironment(state, name, ifMatch);
  if (!row.ok) return row;
  if (state.sql.environments().length === 1) {
    return fail(
      "environment_in_use",
      `\`${name}\` is the service's only environment; create another one first`,
    );
  }
  const live = state.sql.liveCount(name);
  if (live > 0) {
    return fail(
      "environment_in_use",
      `environment \`${name}\` has ${live} live backends; terminate them first`,
      {
        details: { live_backends: live },
      },
    );
  }
  state.sql.deleteEnvironment(row.value);
  if (state.sql.service()?.default_environment === name) state.sql.setDefaultEnvironment(null);
  state.usage.forget(name);
  recordEvent(state, { type: "environment.deleted", actor, ...eventTarget(state, name) }, now);
  return ok(null);
}

/** Moves a pin. Every call is a revision, even one that pins the same image again. */
export function pin(
  state: ServiceState,
  name: string,
  wish: { image: string; note?: string },
  actor: Actor,
  ifMatch: number | undefined,
  now: number,
): Result<PinAnswer> {
  const found = matchingEnvironment(state, name, ifMatch);
  if (!found.ok) return found;
  const before = found.value;
  const resolved = resolveText(state, wish.image);
  if (!resolved.ok) return resolved;
  const previous = { image: before.image, digest: digestOf(state, before), revision: before.revision };
  const after = { ...before, image: wish.image, revision: before.revision + 1 };
  state.sql.setPin(name, after.image, after.revision);
  addRevision(state, after, "pin", wish.note, actor, now);
  const pinned = { image: after.image, digest: resolved.value.digest, revision: after.revision };
  const details = { ...pinned, ...(wish.note === undefined ? {} : { note: wish.note }) };
  recordEvent(state, { type: "environment.pinned", actor, ...eventTarget(state, name), details }, now);
  return ok({ environment: name, ...pinned, previous });
}

export function history(state: ServiceState, name: string, query: ListQuery): Result<Page<Revision>> {
  const row = findEnvironment(state, name);
  if (!row.ok) return row;
  const start = pageStart(query);
  if (!start.ok) return start;
  const rows = state.sql.revisionsBefore(row.value.seq, start.value, query.limit + 1);
  return ok(toPage(rows, query.limit, ({ revision }) => revision, revisionView));
}

function addRevision(
  state: ServiceState,
  row: EnvironmentRow,
  kind: RevisionRow["kind"],
  note: string | undefined,
  actor: Actor,
  now: number,
): void {
  state.sql.insertRevision({
    environment: row.seq,
    revision: row.revision,
    image: row.image,
    digest: digestOf(state, row),
    kind,
    token_id: actor.tokenId,
    token_name: actor.tokenName,
    note: note ?? null,
    at: now,
  });
}

/** What the API says of a revision. */
export function revisionView(row: RevisionRow): Revision {
  return {
    revision: row.revision,
    image: row.image,
    digest: row.digest,
    kind: row.kind,
    by: { token_id: row.token_id, token_name: row.token_name },
    at: isoTime(row.at),
    ...(row.note === null ? {} : { note: row.note }),
  };
}

function clusterNotFound(state: ServiceState, name: string | null) {
  const clusters = state.config().clusters.map((cluster) => cluster.name);
  return fail("cluster_not_found", `cluster \`${name}\` not found; this account has ${listOf(clusters)}`);
}
