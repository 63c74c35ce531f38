import { type BackendStatus, isConnectable } from "../backends/status.ts";
import { permitsChoice } from "../credentials/access.ts";
import { heartbeatEveryMs } from "../limits.ts";
import { listOf, namesIn } from "../names.ts";
import { fail, ok, type Result } from "../result.ts";
import { chooseEnvironment, type EnvironmentSettings, type ExistingEnvironments } from "./environments.ts";
import type { ImageIndex, ResolvedImage } from "./images.ts";
import { type Pin, parsePin, resolvedTo, resolvePin } from "./pin.ts";

/** An environment as a decision sees it. */
export interface EnvironmentSnapshot {
  name: string;
  pin: Pin;
  /** What the pin resolves to; null while nothing was pushed that it could mean. */
  digest: string | null;
  /** The number of the last change of either. */
  revision: number;
  /** The revision since which it resolves to that digest. */
  stay: number;
  /** Null follows the account's default cluster. */
  cluster: string | null;
  settings: EnvironmentSettings;
}

/** The backend that holds a key: at most one in each environment (invariant 1). */
export interface KeyHolder {
  id: string;
  status: BackendStatus;
  /** Nobody knows whether it still runs, and its cluster cannot end it by time. */
  isHeld: boolean;
}

/** All that a connect decision depends on, read inside one transaction. */
export interface ConnectSnapshot {
  environments: ExistingEnvironments & { get(name: string): EnvironmentSnapshot | undefined };
  serviceDefaultEnvironment: string | null;
  accountDefaultCluster: string | null;
  clusters: readonly string[];
  /** Those of them that take no new backends for now. */
  drainingClusters: readonly string[];
  images: ImageIndex;
  /** Whether an environment was rolled back from a digest. Asked only where a spawn names its image. */
  isRejected(environment: string, digest: string): boolean;
  holderOf(environment: string, key: string): KeyHolder | undefined;
}

/** What a connect requests. */
export interface ConnectRequest {
  /** Undefined: the one that `chooseEnvironment` finds. */
  environment?: string;
  /** The backend that holds it is handed out; without a key each connect starts one of its own. */
  key?: string;
  /**
   * Null: do not start a backend. `tag` is a tag or a digest that is run in place of the pin; `force`: even one that the
   * environment was rolled back from.
   */
  spawn: { tag?: string; cluster?: string; force?: boolean } | null;
  /** The environments that the token is narrowed to; undefined means all. */
  allowedEnvironments?: readonly string[];
  /** Whether the token is narrowed to a service, so that no clusters are named to it. */
  hidesClusters?: boolean;
  isAdmin?: boolean;
}

/** What a connect does. */
export type ConnectDecision =
  /** The key's holder is live and takes connections: it is handed out, whatever the pin means now. */
  | { action: "reuse"; environment: EnvironmentSnapshot; backendId: string }
  /** The key's holder is ending: nothing may be decided before its end (invariant 1). */
  | { action: "wait"; environment: EnvironmentSnapshot; backendId: string }
  /** A backend is started: of this digest on this cluster, whatever is pinned or pushed afterwards (invariant 3). */
  | {
      action: "spawn";
      environment: EnvironmentSnapshot;
      cluster: string;
      image: ResolvedImage;
    };

/**
 * Decides what a connect does. A pure function of the snapshot: invariants 1 to 3 rest on it.
 * @returns the decision, or the first reason to refuse: those that no retry mends come before those that one may
 * @example decideConnect({ key: "doc-1", spawn: {} }, snapshot) // reuse, while a live backend holds `doc-1`
 */
export function decideConnect(request: ConnectRequest, snapshot: ConnectSnapshot): Result<ConnectDecision> {
  const chosen = chooseConnectEnvironment(request, snapshot);
  if (!chosen.ok) return chosen;
  const environment = chosen.value;

  if (request.key !== undefined) {
    const holder = snapshot.holderOf(environment.name, request.key);
    if (holder?.isHeld) return keyHeld(request.key, holder.id);
    if (holder && isConnectable(holder.status)) {
      return ok({ action: "reuse", environment, backendId: holder.id });
    }
    if (holder && request.spawn) return ok({ action: "wait", environment, backendId: holder.id });
  }
  if (!request.spawn) return keyNotHeld(request.key, environment.name);

  const choice = checkSpawnChoice(request, environment);
  if (!choice.ok) return choice;
  const cluster = clusterFor(request, environment, snapshot);
  if (!cluster.ok) return cluster;
  const image = spawnImage(request.spawn, environment, snapshot);
  if (!image.ok) return image;
  const available = checkAvailable(cluster.value, snapshot);
  if (!available.ok) return available;
  return ok({ action: "spawn", environment, cluster: cluster.value, image: image.value });
}

/**
 * Every reason for which a connect would be refused now, the one that `decideConnect` gives first; empty when it
 * would not be.
 */
export function connectRefusals(request: ConnectRequest, snapshot: ConnectSnapshot) {
  const decision = decideConnect(request, snapshot);
  if (decision.ok) return [];
  const chosen = chooseConnectEnvironment(request, snapshot);
  if (!chosen.ok || !request.spawn || decision.error.code === "key_held") return [decision.error];
  const cluster = clusterFor(request, chosen.value, snapshot);
  return [
    checkSpawnChoice(request, chosen.value),
    cluster,
    spawnImage(request.spawn, chosen.value, snapshot),
    cluster.ok ? checkAvailable(cluster.value, snapshot) : ok(null),
  ].flatMap((result) => (result.ok ? [] : [result.error]));
}

function chooseConnectEnvironment(
  request: ConnectRequest,
  snapshot: ConnectSnapshot,
): Result<EnvironmentSnapshot> {
  const name = chooseEnvironment(
    request.environment,
    snapshot.environments,
    snapshot.serviceDefaultEnvironment,
    request.allowedEnvironments,
  );
  if (!name.ok) return name;
  const environment = snapshot.environments.get(name.value);
  return environment
    ? ok(environment)
    : fail("environment_not_found", `environment \`${name.value}\` not found`);
}

/** Whether an environment lets a spawn choose its image or its cluster, and the caller may force it: `forbidden` otherwise. */
function checkSpawnChoice(
  { spawn, isAdmin = false }: Pick<ConnectRequest, "spawn" | "isAdmin">,
  { name, settings }: EnvironmentSnapshot,
): Result<null> {
  const { tag, cluster, force = false } = spawn ?? {};
  if (force && !isAdmin) return fail("forbidden", "`force` takes a token with the role `admin`");
  if (settings.allow_spawn_tag !== false || (tag === undefined && cluster === undefined)) return ok(null);
  return fail(
    "forbidden",
    `environment \`${name}\` lets no spawn name its image or its cluster (\`allow_spawn_tag\`)`,
  );
}

/** The image that a spawn runs; `digest_rejected` for one that it names and that the environment was rolled back from. */
function spawnImage(
  { tag, force = false }: NonNullable<ConnectRequest["spawn"]>,
  environment: EnvironmentSnapshot,
  { images, isRejected }: Pick<ConnectSnapshot, "images" | "isRejected">,
): Result<ResolvedImage> {
  const image = resolveSpawnImage(tag, environment, images);
  if (!image.ok || tag === undefined || force || !isRejected(environment.name, image.value.digest))
    return image;
  return fail(
    "digest_rejected",
    `environment \`${environment.name}\` was rolled back from ${image.value.digest}; a spawn of it takes \`force\``,
    { details: { digest: image.value.digest } },
  );
}

/**
 * The image that a spawn runs: the one that the request names, else what the environment resolves to.
 * @param named a tag or a digest
 * @returns `bad_request` for what is neither, `image_not_found` for what was not pushed, or was pushed and is held back
 */
export function resolveSpawnImage(
  named: string | undefined,
  { name, pin: own, digest }: Pick<EnvironmentSnapshot, "name" | "pin" | "digest">,
  images: ImageIndex,
): Result<ResolvedImage> {
  if (named === undefined) {
    if (digest !== null) return ok(resolvedTo(own, digest));
    const pushed = resolvePin(own, images);
    if (!pushed.ok) return pushed;
    return fail(
      "image_not_found",
      `environment \`${name}\` has accepted no image yet: what was pushed as \`${pushed.value.image}\` waits to be promoted`,
      { details: { candidate: pushed.value.digest } },
    );
  }
  const pin = parsePin(named);
  return pin.ok ? resolvePin(pin.value, images) : pin;
}

/** The cluster that a spawn goes to, if the token may have it go there. */
function clusterFor(
  { spawn, allowedEnvironments, hidesClusters = false }: ConnectRequest,
  environment: EnvironmentSnapshot,
  snapshot: ConnectSnapshot,
): Result<string> {
  const { accountDefaultCluster: accountDefault, clusters } = snapshot;
  const choice = { cluster: spawn?.cluster, image: spawn?.tag };
  const own = environment.cluster ?? accountDefault;
  const permitted = permitsChoice(allowedEnvironments, choice, { own, accountDefault });
  if (!permitted.ok) return permitted;
  const named = spawn?.cluster;
  if (hidesClusters && named !== undefined && !clusters.includes(named)) return clusterNotFound(named, null);
  return chooseCluster(named, environment, snapshot);
}

/**
 * The cluster that a spawn goes to: the one that the request names, else the environment's, else the account's
 * default.
 * @returns `cluster_required` where none of them is set, `cluster_not_found` where the account has no such cluster
 * @example chooseCluster(undefined, { name: "prod", cluster: "eu" }, snapshot) // ok("eu")
 */
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
  return clusterNotFound(cluster, snapshot.clusters);
}

/** The failure for a cluster that does not exist. @param existing the names of those that do; null: they are not named */
export function clusterNotFound(named: string, existing: readonly string[] | null) {
  const message = `cluster \`${named}\` not found`;
  if (existing === null) return fail("cluster_not_found", message);
  return fail("cluster_not_found", `${message}; this account has ${listOf(existing)}`, {
    details: namesIn("clusters", existing),
  });
}

/** Refuses what a retry may mend. It is checked last, so that nobody retries what no retry mends. */
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

function keyHeld(key: string, backendId: string) {
  return fail(
    "key_held",
    `backend \`${backendId}\` holds the key \`${key}\`, and nothing shows that it has ended: its agent is silent, and its ` +
      "cluster needs proof. The key is free when the agent is back, or when an admin releases the backend",
    { details: { backend_id: backendId }, retryAfterSeconds: heartbeatEveryMs / 1000 },
  );
}

function keyNotHeld(key: string | undefined, environment: string) {
  if (key === undefined)
    return fail("bad_request", "`spawn: false` needs a `key`: there is nothing else to look for");
  return fail("key_not_held", `no live backend of environment \`${environment}\` holds the key \`${key}\``);
}
