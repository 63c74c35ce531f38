import { backendId, backendRandomLength } from "../../../domain/ids.ts";
import { recoveryDelayMs } from "../../../domain/limits.ts";
import { type ConnectRequest, connectRefusals, decideConnect } from "../../../domain/pins/connect.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { ResolveAnswer } from "../../../protocol/v3/services.ts";
import { expandBackendUrlTemplate } from "../../../protocol/webhooks/webhook.ts";
import type { ConnectCall, Connection } from "../../contract.ts";
import { deadlineOf } from "../backends/deadline.ts";
import { digestOf } from "../pins/environments.ts";
import type { BackendRow, ServiceRow } from "../sql/service.sql.ts";
import { type BackendSpec, repositoryOf, type ServiceState, specOf } from "../state.ts";

/** A connection whose URL may not be known yet: the cluster has still to tell it. */
export type ConnectionDraft = Omit<Connection, "baseUrl"> & { baseUrl: string | null };

export type Decided =
  | { step: "reused"; draft: ConnectionDraft }
  | { step: "spawned"; draft: ConnectionDraft; row: BackendRow }
  /** The key's holder is ending; ask again when it has ended. */
  | { step: "wait"; backendId: string };

/** Decides a connect and records the decision. To be run inside a transaction, with nothing awaited in it. */
export function decideAndRecord(
  state: ServiceState,
  service: ServiceRow,
  call: ConnectCall,
  now: number,
  random: Uint8Array,
): Result<Decided> {
  const decided = decideConnect(toRequest(call), state.connectSnapshot(service));
  if (!decided.ok) return decided;
  const decision = decided.value;
  if (decision.action === "wait") return ok({ step: "wait", backendId: decision.backendId });
  if (decision.action === "reuse") {
    const row = state.sql.backend(decision.backendId);
    if (!row) throw new Error("the holder of a key has no row");
    return ok({ step: "reused", draft: connectionOf(row, false, now) });
  }

  const { environment, image, cluster } = decision;
  const fencingToken = state.nextFencingToken();
  const record = state.image(image.digest);
  const wish = call.spawn ?? {};
  const lifetime = wish.lifetimeLimitSeconds ?? environment.settings.lifetime_limit_seconds;
  const spec: BackendSpec = {
    repository: repositoryOf(record ?? { repository: null }, service, call.registryHost),
    tag: image.tag,
    pin: { image: environment.image, revision: environment.revision },
    env: wish.env ?? {},
    startupTimeoutSeconds: environment.settings.startup_timeout_seconds,
    maxIdleSeconds: wish.maxIdleSeconds ?? environment.settings.max_idle_seconds,
    ...(lifetime === undefined ? {} : { lifetimeLimitSeconds: lifetime }),
    ...(wish.resources === undefined ? {} : { resources: wish.resources }),
    ...(wish.mount === undefined ? {} : { mount: wish.mount }),
    ...(wish.port === undefined ? {} : { port: wish.port }),
    requireBearerToken: wish.requireBearerToken ?? false,
    secretToken: secretTokenFrom(random),
  };
  const template = state.cluster(cluster)?.backendUrlTemplate ?? null;
  const row = (id: string): BackendRow => ({
    id,
    environment: environment.name,
    cluster,
    key: call.key ?? null,
    fencing_token: fencingToken,
    digest: image.digest,
    spec: JSON.stringify(spec),
    created_at: now,
    status: "scheduled",
    status_at: now,
    reason: null,
    base_url: template === null ? null : expandBackendUrlTemplate(template, id),
    attempts: 0,
    next_attempt_at: now + recoveryDelayMs,
    deadline_at: deadlineOf({ status: "scheduled", status_at: now, created_at: now }, spec)?.at ?? null,
    untold: 0,
  });
  const inserted = insertUnderUnusedId(state, service.code, random, row);
  return ok({ step: "spawned", row: inserted, draft: connectionOf(inserted, true, now) });
}

export function connectionOf(row: BackendRow, spawned: boolean, now: number): ConnectionDraft {
  const spec = specOf(row);
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
    grantedAt: now,
  };
}

/** What a connect would do now and every reason it would be refused, without doing it. */
export function resolveConnect(
  state: ServiceState,
  service: ServiceRow,
  environment: string,
  query: { tag?: string; key?: string },
  allowedEnvironments: readonly string[] | undefined,
): Result<ResolveAnswer> {
  const snapshot = state.connectSnapshot(service);
  const request: ConnectRequest = {
    environment,
    spawn: query.tag === undefined ? {} : { tag: query.tag },
    ...(query.key === undefined ? {} : { key: query.key }),
    ...(allowedEnvironments === undefined ? {} : { allowedEnvironments }),
  };
  const row = snapshot.environments.find(({ name }) => name === environment);
  const decided = decideConnect(request, snapshot);
  if (!row) return decided.ok ? fail("environment_not_found", "environment not found") : decided;
  const refusals = connectRefusals(request, snapshot);
  const image = query.tag ?? row.image;
  const common = { environment, image, revision: row.revision };
  if (!decided.ok) {
    return ok({
      ...common,
      action: "refuse",
      digest: digestOf(state, { image }),
      cluster: row.cluster ?? snapshot.accountDefaultCluster,
      refusals: refusals.map(({ code, message }) => ({ code, message })),
    });
  }
  if (decided.value.action === "spawn") {
    const { digest } = decided.value.image;
    return ok({ ...common, action: "spawn", digest, cluster: decided.value.cluster, refusals: [] });
  }
  const holder = state.sql.backend(decided.value.backendId);
  return ok({
    ...common,
    action: decided.value.action,
    backend_id: decided.value.backendId,
    digest: holder?.digest ?? null,
    cluster: holder?.cluster ?? null,
    refusals: [],
  });
}

function toRequest(call: ConnectCall): ConnectRequest {
  return {
    ...(call.environment === undefined ? {} : { environment: call.environment }),
    ...(call.key === undefined ? {} : { key: call.key }),
    ...(call.actor.environments === undefined ? {} : { allowedEnvironments: call.actor.environments }),
    spawn: call.spawn && {
      ...(call.spawn.tag === undefined ? {} : { tag: call.spawn.tag }),
      ...(call.spawn.cluster === undefined ? {} : { cluster: call.spawn.cluster }),
    },
  };
}

/** The random bytes that one decision uses: a secret token, and ids to try. */
export const connectRandomBytes = 32 + 4 * backendRandomLength;

function secretTokenFrom(random: Uint8Array): string {
  return Array.from(random.subarray(0, 32), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** 40 random bits: a clash with a live backend is not expected in a lifetime, and is met all the same. */
function insertUnderUnusedId(
  state: ServiceState,
  code: string,
  random: Uint8Array,
  rowOf: (id: string) => BackendRow,
): BackendRow {
  for (let start = 32; start < random.length; start += backendRandomLength) {
    const row = rowOf(backendId(code, random.subarray(start)));
    if (state.sql.insertBackend(row)) return row;
  }
  throw new Error("no unused backend id was found");
}
