import { bytesToHex } from "@noble/hashes/utils.js";
import type { TouchOutcome } from "../../../domain/deliveries/touch.ts";
import { backendId, backendRandomLength } from "../../../domain/ids.ts";
import { recoveryDelayMs } from "../../../domain/limits.ts";
import {
  type ConnectDecision,
  type ConnectRequest,
  type ConnectSnapshot,
  decideConnect,
} from "../../../domain/pins/connect.ts";
import { pinText } from "../../../domain/pins/pin.ts";
import { ok, type Result } from "../../../domain/result.ts";
import { expandBackendUrlTemplate } from "../../../protocol/webhooks/webhook.ts";
import type { Caller, Connection, ConnectParams } from "../../contract.ts";
import { deadlineOf } from "../backends/deadline.ts";
import type { Touches } from "../deliveries/touches.ts";
import type { Birth } from "../deploys/arms.ts";
import type { NewBackend } from "../sql/backends.sql.ts";
import type { BackendRow, ServiceRow } from "../sql/service.sql.ts";
import { type BackendSpec, repositoryOf, type ServiceState, specOf } from "../state.ts";

/** What somebody connects with. */
export interface ConnectCall {
  params: ConnectParams;
  caller: Caller;
}

/** What the touches of one connect have shown, by backend. */
export type TouchedHolders = Map<string, TouchOutcome>;

/** A connection whose URL may not be known yet: the cluster has still to answer with it. */
export type ConnectionDraft = Omit<Connection, "baseUrl"> & { baseUrl: string | null };

/** What a connect is to do. */
export type Decided =
  /** To hand out a backend that was there before. */
  | { step: "reused"; draft: ConnectionDraft }
  /** To start one: it is to be recorded. */
  | { step: "spawn"; decision: SpawnDecision }
  /** Nothing: the key's holder may be swept at any time, and must be touched before it is handed out. */
  | { step: "touch"; holder: BackendRow }
  /** Nothing: the key's holder is ending, and must have ended before anything is decided. */
  | { step: "wait"; backendId: string };

/** A connection to a backend that its cluster has still to start. It is recorded: nothing takes it back. */
export interface Spawned {
  step: "spawned";
  draft: ConnectionDraft;
  row: BackendRow;
}

type SpawnDecision = Extract<ConnectDecision, { action: "spawn" }>;

/**
 * Decides a connect by what is in memory. It reads no rows once the object is awake, and writes none: a spawn must be recorded by
 * `recordSpawn` with nothing awaited between the two.
 * @param touched what this connect has touched: no backend twice
 */
export function decide(
  { state, touches }: { state: ServiceState; touches: Pick<Touches, "isNeeded"> },
  service: ServiceRow,
  call: ConnectCall,
  touched: TouchedHolders,
  now: number,
): Result<Decided> {
  const decided = decideConnect(requestOf(call), withTouched(state.connectSnapshot(service), touched));
  if (!decided.ok) return decided;
  const decision = decided.value;
  if (decision.action === "wait") return ok({ step: "wait", backendId: decision.backendId });
  if (decision.action === "spawn") return ok({ step: "spawn", decision });
  const holder = state.backend(decision.backendId);
  if (!holder) throw new Error("the holder of a key has no row");
  const spec = specOf(holder);
  if (!touched.has(holder.id) && touches.isNeeded(holder, spec, now)) return ok({ step: "touch", holder });
  return ok({ step: "reused", draft: connectionOf(holder, false, now, spec) });
}

/** The snapshot in which those are ending of which a touch has shown that, though no report of it has come yet. */
function withTouched(snapshot: ConnectSnapshot, touched: TouchedHolders): ConnectSnapshot {
  if (touched.size === 0) return snapshot;
  return {
    ...snapshot,
    holderOf: (environment, key) => {
      const holder = snapshot.holderOf(environment, key);
      const isEnding = holder?.status === "ready" && touched.get(holder.id) === "ending";
      return isEnding ? { ...holder, status: "terminating" } : holder;
    },
  };
}

function requestOf({ params, caller }: ConnectCall): ConnectRequest {
  const { environment, key, spawn } = params;
  const { environments: allowedEnvironments, service } = caller.actor;
  return {
    ...(environment === undefined ? {} : { environment }),
    ...(key === undefined ? {} : { key }),
    ...(allowedEnvironments === undefined ? {} : { allowedEnvironments }),
    ...(service === undefined ? {} : { hidesClusters: true }),
    ...(spawn?.force ? { isAdmin: caller.actor.role === "admin" } : {}),
    spawn: spawn && {
      ...(spawn.tag === undefined ? {} : { tag: spawn.tag }),
      ...(spawn.cluster === undefined ? {} : { cluster: spawn.cluster }),
      ...(spawn.force === undefined ? {} : { force: spawn.force }),
    },
  };
}

/**
 * Records a backend that its cluster is to start: all that the webhook says of it is fixed here. Its row is the last write, before
 * which only a block of tokens may have been reserved, and what is left of a block is skipped: so this needs no transaction.
 * @param random `connectRandomBytes` bytes
 */
export function recordSpawn(
  state: ServiceState,
  service: ServiceRow,
  { environment, image, cluster }: SpawnDecision,
  { params, caller }: ConnectCall,
  now: number,
  random: Uint8Array,
): Spawned {
  const fencingToken = state.nextFencingToken();
  const record = state.image(image.digest);
  const requested = params.spawn ?? {};
  const birth: Birth | null = requested.tag === undefined ? { stay: environment.stay, arm: "base" } : null;
  const lifetime = requested.lifetimeLimitSeconds ?? environment.settings.lifetime_limit_seconds;
  const spec: BackendSpec = {
    repository: repositoryOf(record ?? { repository: null }, service, caller.registryHost),
    tag: image.tag,
    pin: { image: pinText(environment.pin), revision: environment.revision },
    env: requested.env ?? {},
    startupTimeoutSeconds: environment.settings.startup_timeout_seconds,
    maxIdleSeconds: requested.maxIdleSeconds ?? environment.settings.max_idle_seconds,
    ...(lifetime === undefined ? {} : { lifetimeLimitSeconds: lifetime }),
    ...(requested.resources === undefined ? {} : { resources: requested.resources }),
    ...(requested.mount === undefined ? {} : { mount: requested.mount }),
    ...(requested.port === undefined ? {} : { port: requested.port }),
    requireBearerToken: requested.requireBearerToken ?? false,
    ...(birth === null ? {} : { birth }),
    secretToken: bytesToHex(random.subarray(0, 32)),
  };
  const template = state.cluster(cluster)?.backendUrlTemplate ?? null;
  const row = insertUnderUnusedId(state, service.code, random, (id) => ({
    id,
    environment: environment.name,
    cluster,
    key: params.key ?? null,
    fencing_token: fencingToken,
    digest: image.digest,
    spec: JSON.stringify(spec),
    created_at: now,
    base_url: template === null ? null : expandBackendUrlTemplate(template, id),
    next_attempt_at: now + recoveryDelayMs,
    deadline_at: deadlineOf({ status: "scheduled", status_at: now, created_at: now }, spec)?.at ?? null,
  }));
  if (birth) state.arms.started(environment.name, image.digest, birth);
  return { step: "spawned", row, draft: connectionOf(row, true, now, spec) };
}

/**
 * The connection to a backend.
 * @param grantedAt when it was decided, in milliseconds since the epoch
 * @param spec the row's, for a caller that has read it
 */
export function connectionOf(
  row: BackendRow,
  spawned: boolean,
  grantedAt: number,
  spec = specOf(row),
): ConnectionDraft {
  return {
    backendId: row.id,
    spawned,
    status: row.status,
    statusAt: row.status_at,
    environment: row.environment,
    cluster: row.cluster,
    baseUrl: row.base_url,
    secretToken: spec.secretToken,
    requireBearerToken: spec.requireBearerToken,
    grantedAt,
  };
}

/** The random bytes that one decision uses: a secret token, and ids to try. */
export const connectRandomBytes = 32 + 4 * backendRandomLength;

/** 40 random bits: a clash with a live backend is not expected in a lifetime, and is met all the same. */
function insertUnderUnusedId(
  state: ServiceState,
  code: string,
  random: Uint8Array,
  columnsOf: (id: string) => NewBackend,
): BackendRow {
  for (let start = 32; start < random.length; start += backendRandomLength) {
    const row = state.sql.insertBackend(columnsOf(backendId(code, random.subarray(start))));
    if (row) return row;
  }
  throw new Error("no unused backend id was found");
}
