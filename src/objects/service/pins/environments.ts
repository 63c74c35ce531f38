import type { Scope } from "../../../domain/credentials/access.ts";
import type { Stop } from "../../../domain/deploys/protection.ts";
import { clusterNotFound } from "../../../domain/pins/connect.ts";
import { defaultEnvironmentName } from "../../../domain/pins/environments.ts";
import { initialPin, parsePin, pinText, resolvePin } from "../../../domain/pins/pin.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { CreateEnvironmentBody, Environment } from "../../../protocol/v3/services.ts";
import type { Actor, Caller, EnvironmentGlance } from "../../contract.ts";
import { settingsOf } from "../environment-index.ts";
import { recordEvent } from "../feed/event-outbox.ts";
import type { EnvironmentRow, ServiceRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { movedNow } from "./announce.ts";
import { findEnvironment } from "./find-environment.ts";
import { addRevision } from "./revisions.ts";
import { defaultSettings, mergedSettings } from "./settings.ts";
import { checkUpstreams } from "./upstreams.ts";

/** An environment as the API answers it. */
export function environmentView(state: ServiceState, row: EnvironmentRow): Environment {
  const stop = stopOf(row);
  return {
    ...environmentGlance(state, row),
    settings: settingsOf(row),
    ...(stop === null ? {} : { stopped: stopView(stop) }),
    ...(row.followed === null ? {} : { unfollowed: unfollowedView(state, row.followed) }),
  };
}

/** Who has stopped an environment, and why; null where nobody has. */
export function stopOf({ stopped }: Pick<EnvironmentRow, "stopped">): Stop | null {
  return stopped === null ? null : JSON.parse(stopped);
}

function stopView({ reason, tokenId, tokenName, at }: Stop) {
  return { reason, by: { token_id: tokenId, token_name: tokenName }, at: isoTime(at) };
}

/** A tag that is followed no more, and what was pushed as it since. */
export function unfollowedView(state: ServiceState, tag: string) {
  return { tag, digest: state.imageIndex().digestOfTag(tag) ?? null };
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
  const upstreams = checkUpstreams(state, name, body.settings, caller.actor.environments);
  if (!upstreams.ok) return upstreams;
  const settings = JSON.stringify(mergedSettings(defaultSettings, body.settings));
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
    stay: revision,
    since: now,
  });
  const row = findEnvironment(state, name);
  if (row.ok) addRevision(state, service, row.value, { kind: "create", from: null }, caller, now);
  return row;
}

/** Whether an environment may have this cluster: `cluster_not_found` where there is none of the name. */
export function checkCluster(state: ServiceState, name: string | null, { service }: Actor): Result<null> {
  if (name === null || state.cluster(name) !== undefined) return ok(null);
  return clusterNotFound(
    name,
    service === undefined ? state.config().clusters.map((cluster) => cluster.name) : null,
  );
}
