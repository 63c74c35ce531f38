import { type BackendStatus, isConnectable } from "../backends/status.ts";
import { heartbeatEveryMs } from "../limits.ts";
import { listOf } from "../names.ts";
import { fail, ok, type Result } from "../result.ts";
import { chooseEnvironment, type EnvironmentSettings } from "./environments.ts";
import { type ImageIndex, type ResolvedImage, resolveImage } from "./images.ts";

export interface EnvironmentSnapshot {
  name: string;
  /** The pin: a tag or a digest. */
  image: string;
  revision: number;
  /** Null follows the account's default cluster. */
  cluster: string | null;
  settings: EnvironmentSettings;
}

export interface KeyHolder {
  id: string;
  status: BackendStatus;
}

/** All that a connect decision depends on, read inside one transaction. */
export interface ConnectSnapshot {
  environments: readonly EnvironmentSnapshot[];
  serviceDefaultEnvironment: string | null;
  accountDefaultCluster: string | null;
  clusters: readonly string[];
  /** Those of them that take no new backends for now. */
  drainingClusters: readonly string[];
  images: ImageIndex;
  holderOf(environment: string, key: string): KeyHolder | undefined;
}

export interface ConnectRequest {
  environment?: string;
  key?: string;
  /** Null: do not start a backend. */
  spawn: { tag?: string; cluster?: string } | null;
  /** The environments that the token is narrowed to; undefined means all. */
  allowedEnvironments?: readonly string[];
}

export type ConnectDecision =
  | { action: "reuse"; environment: EnvironmentSnapshot; backendId: string }
  /** The key's holder is ending: nothing may be decided before its end. */
  | { action: "wait"; environment: EnvironmentSnapshot; backendId: string }
  | {
      action: "spawn";
      environment: EnvironmentSnapshot;
      cluster: string;
      image: ResolvedImage;
    };

/** Decides what a connect does. A pure function of the snapshot: invariants 1 to 3 rest on it. */
export function decideConnect(request: ConnectRequest, snapshot: ConnectSnapshot): Result<ConnectDecision> {
  const chosen = chooseConnectEnvironment(request, snapshot);
  if (!chosen.ok) return chosen;
  const environment = chosen.value;

  if (request.key !== undefined) {
    const holder = snapshot.holderOf(environment.name, request.key);
    if (holder && isConnectable(holder.status)) {
      return ok({ action: "reuse", environment, backendId: holder.id });
    }
    if (holder && request.spawn) return ok({ action: "wait", environment, backendId: holder.id });
  }
  if (!request.spawn) return keyNotHeld(request.key, environment.name);

  const cluster = chooseCluster(request.spawn.cluster, environment, snapshot);
  if (!cluster.ok) return cluster;
  const image = resolveImage(request.spawn.tag ?? environment.image, snapshot.images);
  if (!image.ok) return image;
  const available = checkAvailable(cluster.value, snapshot);
  if (!available.ok) return available;
  return ok({ action: "spawn", environment, cluster: cluster.value, image: image.value });
}

/** Every reason for which a connect would be refused now; empty when it would not be. */
export function connectRefusals(request: ConnectRequest, snapshot: ConnectSnapshot) {
  const decision = decideConnect(request, snapshot);
  if (decision.ok) return [];
  const chosen = chooseConnectEnvironment(request, snapshot);
  if (!chosen.ok || !request.spawn) return [decision.error];
  const cluster = chooseCluster(request.spawn.cluster, chosen.value, snapshot);
  return [
    cluster,
    resolveImage(request.spawn.tag ?? chosen.value.image, snapshot.images),
    cluster.ok ? checkAvailable(cluster.value, snapshot) : ok(null),
  ].flatMap((result) => (result.ok ? [] : [result.error]));
}

function chooseConnectEnvironment(
  request: ConnectRequest,
  snapshot: ConnectSnapshot,
): Result<EnvironmentSnapshot> {
  const name = chooseEnvironment(
    request.environment,
    snapshot.environments.map((environment) => environment.name),
    snapshot.serviceDefaultEnvironment,
  );
  if (!name.ok) return name;
  if (request.allowedEnvironments && !request.allowedEnvironments.includes(name.value)) {
    return fail(
      "forbidden",
      `this token may only act on ${listOf(request.allowedEnvironments)}, not on environment \`${name.value}\``,
    );
  }
  const environment = snapshot.environments.find((candidate) => candidate.name === name.value);
  return environment
    ? ok(environment)
    : fail("environment_not_found", `environment \`${name.value}\` not found`);
}

/** The cluster a spawn goes to: the one the request names, else the environment's, else the account's default. */
export function chooseCluster(
  named: string | undefined,
  environment: Pick<EnvironmentSnapshot, "name" | "cluster">,
  snapshot: Pick<ConnectSnapshot, "accountDefaultCluster" | "clusters">,
): Result<string> {
  const cluster = named ?? environment.cluster ?? snapshot.accountDefaultCluster;
  if (cluster === null) {
    return fail(
      "cluster_required",
      `environment \`${environment.name}\` has no cluster and the account has no default one; register a cluster first`,
    );
  }
  if (snapshot.clusters.includes(cluster)) return ok(cluster);
  return fail(
    "cluster_not_found",
    `cluster \`${cluster}\` not found; this account has ${listOf(snapshot.clusters)}`,
    { details: { clusters: [...snapshot.clusters] } },
  );
}

/** Refuses what may be tried again; to be asked last, after what no repetition mends. */
function checkAvailable(
  cluster: string,
  { drainingClusters }: Pick<ConnectSnapshot, "drainingClusters">,
): Result<null> {
  if (!drainingClusters.includes(cluster)) return ok(null);
  return fail(
    "cluster_unavailable",
    `cluster \`${cluster}\` is draining: it starts no backends until an agent takes over`,
    { retryAfterSeconds: heartbeatEveryMs / 1000 },
  );
}

function keyNotHeld(key: string | undefined, environment: string) {
  if (key === undefined)
    return fail("bad_request", "`spawn: false` needs a `key`: there is nothing else to look for");
  return fail("key_not_held", `no live backend of environment \`${environment}\` holds the key \`${key}\``);
}
