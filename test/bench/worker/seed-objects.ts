import type { StatusEntry } from "../../../src/domain/backends/status.ts";
import { eventKind } from "../../../src/domain/events.ts";
import { idAlphabet } from "../../../src/domain/ids.ts";
import { pushesKept, revisionsKept } from "../../../src/domain/limits.ts";
import { decodeUsage, minuteOf, noUsage } from "../../../src/domain/usage/usage.ts";
import { addToBlock, blockOf } from "../../../src/domain/usage/usage-blocks.ts";
import { AccountState } from "../../../src/objects/account/state.ts";
import { BackendsState } from "../../../src/objects/backends/state.ts";
import type { BackendInfo, BackendRecord } from "../../../src/objects/contract.ts";
import { type EventParams, newEvent } from "../../../src/objects/events.ts";
import { type BackendSpec, ServiceState } from "../../../src/objects/service/state.ts";
import { isoTime } from "../../../src/protocol/primitives.ts";
import {
  backendIdOf,
  digestOf,
  environmentOf,
  environmentOfLive,
  firstEnvironment,
  imageInUse,
  keyOf,
  type Population,
  rareEvents,
  rareEventType,
  tagOf,
  tokenOf,
} from "../scale/population.ts";

/*
 * Writes what a population has into the objects' own databases, by the migrations and statements that production has for
 * it: an object that is loaded after that finds what it would have written itself.
 */

/** Whose backends are made. */
export interface Place {
  account: string;
  service: string;
  code: string;
  cluster: string;
}

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const seeder = { tokenId: "seeder", tokenName: "seeder" };
const baseUrlOf = (id: string) => `http://${id}.cluster.test`;

/** Fills the object of a service that was created with a cluster. */
export function seedService(storage: DurableObjectStorage, population: Population, now: number): Place {
  const state = new ServiceState(storage);
  const { account, name: service, code } = state.row();
  const cluster = state.config().defaultCluster;
  if (cluster === null) throw new Error("the account has no cluster");
  const place = { account, service, code, cluster };
  state.db.transaction(() => {
    for (let i = 0; i < population.images; i++) seedImage(state, i, now - (population.images - i));
    for (let i = 1; i < population.environments; i++) seedEnvironment(state, i, population, now);
    for (let i = 0; i < population.live; i++) seedLive(state, place, i, population, now);
    for (const { seq } of state.sql.environments()) seedUsage(state, seq, population, now);
    state.sql.setFencingCeiling(tokenOf({ live: population.live }, population));
  });
  return place;
}

function seedImage({ sql }: ServiceState, i: number, pushedAt: number): void {
  const pushed = { digest: digestOf(i), repository: null, pushed_at: pushedAt };
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  sql.putImage({ ...pushed, media_type: mediaType, artifact_type: null });
  sql.insertPush({ ...pushed, tag: tagOf(i) }, null, pushesKept);
  sql.setTag(tagOf(i), digestOf(i), null);
}

function seedEnvironment(state: ServiceState, i: number, population: Population, now: number): void {
  const { sql } = state;
  const name = environmentOf(i);
  const image = imageInUse(i, population);
  const pinned = { image: tagOf(image), digest: digestOf(image) };
  const [{ settings } = { settings: "{}" }] = sql.environmentsNamed([firstEnvironment]);
  const at = now - dayMs;
  sql.insertEnvironment({
    ...pinned,
    name,
    revision: population.revisions,
    cluster: null,
    settings,
    created_at: at,
    // Long announced.
    moved_at: 0,
    registry_host: "",
    stay: population.revisions,
    since: at,
  });
  const environment = sql.environmentsNamed([name]).at(0)?.seq;
  if (environment === undefined) throw new Error("the environment is not there");
  const by = { token_id: seeder.tokenId, token_name: seeder.tokenName, note: null };
  const marks = { gates: null, source: null, unfollowed: null };
  for (let revision = 1; revision <= population.revisions; revision++) {
    const kind = revision === 1 ? "create" : "pin";
    sql.insertRevision({ environment, revision, kind, ...by, ...pinned, ...marks, at }, revisionsKept);
  }
}

function seedLive({ sql }: ServiceState, place: Place, i: number, population: Population, now: number): void {
  const { id, environment, cluster, key, fencingToken, digest, pin, createdAt } = liveInfo(
    place,
    i,
    population,
    now,
  );
  const spec: BackendSpec = {
    repository: `registry.test/${place.account}/${place.service}`,
    tag: pin.image,
    pin,
    env: { DOCUMENT: keyOf(i) },
    startupTimeoutSeconds: 300,
    // Never: it is not to be swept while it is measured.
    maxIdleSeconds: 0,
    requireBearerToken: false,
    secretToken: fencingToken.toString(16).padStart(64, "0"),
  };
  sql.insertBackend({
    id,
    environment,
    cluster,
    key,
    fencing_token: fencingToken,
    digest,
    spec: JSON.stringify(spec),
    created_at: createdAt,
    base_url: baseUrlOf(id),
    next_attempt_at: null,
    deadline_at: null,
  });
  const readyAt = createdAt + 1_000;
  sql.acknowledgeWithStatus({
    id,
    status: "ready",
    status_at: readyAt,
    reason: null,
    base_url: baseUrlOf(id),
    deadline_at: null,
    untold: false,
    entered: [{ status: "ready", time: readyAt }],
  });
}

function seedUsage(
  { sql }: ServiceState,
  environment: number,
  { usageMinutes }: Population,
  now: number,
): void {
  const counts = decodeUsage("1 3 5 0 3 0 43:3") ?? noUsage;
  const minutes = new Set(
    Array.from({ length: usageMinutes }, (_, i) =>
      minuteOf(now - minuteMs - Math.floor((29 * dayMs * i) / usageMinutes)),
    ),
  );
  for (const [block, counted] of Map.groupBy([...minutes].sort(), blockOf)) {
    const stored = addToBlock(
      undefined,
      block,
      counted.map((at) => ({ at, counts })),
    );
    sql.putUsage({ block, environment, ...stored });
  }
}

function liveInfo(place: Place, i: number, population: Population, now: number): BackendInfo {
  const fencingToken = tokenOf({ live: i }, population);
  const environment = environmentOf(environmentOfLive(i, population));
  // A millisecond apart, an hour ago.
  const createdAt = now - 60 * minuteMs + i;
  return { ...infoOf(place, i, fencingToken, population), environment, key: keyOf(i), createdAt };
}

/** Ended ones are spread over the last 20 days, the one with the highest token last. */
function endedInfo(place: Place, i: number, population: Population, now: number): BackendInfo {
  const fencingToken = tokenOf({ ended: i }, population);
  const environment = environmentOf(i % population.environments);
  const createdAt = now - dayMs - Math.floor((20 * dayMs * (population.ended - i)) / population.ended);
  return { ...infoOf(place, i, fencingToken, population), environment, key: null, createdAt };
}

function infoOf(place: Place, i: number, fencingToken: number, population: Population) {
  const image = imageInUse(i, population);
  const { account, service, code, cluster } = place;
  const pin = { image: tagOf(image), revision: population.revisions };
  const of = { account, service, cluster, digest: digestOf(image), pin, image: pin.image };
  return { ...of, id: backendIdOf(code, fencingToken), fencingToken };
}

/** Fills one shard: histories of the live backends, and the ended ones. @param shard its character */
export function seedShard(
  storage: DurableObjectStorage,
  shard: string,
  place: Place,
  population: Population,
  now: number,
): void {
  const state = new BackendsState(storage);
  state.db.migrate();
  const isHere = (fencingToken: number) => fencingToken % idAlphabet.length === idAlphabet.indexOf(shard);
  state.db.transaction(() => {
    for (let i = 0; i < population.live; i++) {
      if (isHere(tokenOf({ live: i }, population)))
        state.put(record(liveInfo(place, i, population, now), false), null);
    }
    for (let i = 0; i < population.ended; i++) {
      if (!isHere(tokenOf({ ended: i }, population))) continue;
      const ended = record(endedInfo(place, i, population, now), true);
      state.put(ended, ended.history.at(-1)?.time ?? null);
    }
  });
}

function record(info: BackendInfo, hasEnded: boolean): BackendRecord {
  const statuses = ["scheduled", "loading", "starting", "waiting", "ready"] as const;
  const history: StatusEntry[] = statuses.map((status, i) => ({ status, time: info.createdAt + i * 250 }));
  const end = info.createdAt + 30 * minuteMs;
  const swept = { termination_reason: "swept" } as const;
  if (hasEnded) {
    history.push({ status: "terminating", time: end, ...swept });
    history.push({ status: "terminated", time: end + 500, ...swept, exit_code: 0, last_status: "ready" });
  }
  return { info, history, baseUrl: baseUrlOf(info.id) };
}

/** Fills an account that was created with events, the oldest of which are of a rare type. */
export function seedAccount(
  storage: DurableObjectStorage,
  { service }: Pick<Place, "service">,
  { events, environments }: Population,
  now: number,
): void {
  const { db, sql } = new AccountState(storage, { eventWritten() {}, expiringWritten() {} });
  db.transaction(() => {
    for (let i = 0; i < events; i++) {
      const at = now - (events - i) * 10_000;
      const subject = { actor: seeder, service, environment: environmentOf(i % environments) };
      const params: EventParams =
        i < rareEvents
          ? { ...subject, type: rareEventType }
          : { ...subject, type: "environment.created", details: { image: tagOf(i) } };
      const event = newEvent(params, at);
      sql.insertEvent({
        id: event.id,
        at,
        type: event.type,
        service,
        environment: subject.environment,
        cluster: null,
        kind: eventKind(event),
        event: JSON.stringify({ ...event, time: isoTime(at) }),
      });
    }
  });
}
