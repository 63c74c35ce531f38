import type { Fence } from "../../domain/backends/fence.ts";
import type { ClusterLists, HeartbeatVerdict, ReportedBackend } from "../../domain/backends/lease.ts";
import type { BackendStatus, StatusEntry } from "../../domain/backends/status.ts";
import type { Holdings } from "../../domain/quotas.ts";
import type { Result } from "../../domain/result.ts";
import type { EnvironmentUsage, UsageRange } from "../../domain/usage/usage.ts";
import type { Backend, BackendQuery } from "../../protocol/v3/backends.ts";
import type { Image, ImageDetail, RecordImageBody } from "../../protocol/v3/images.ts";
import type { ListQuery, Page } from "../../protocol/v3/list.ts";
import type {
  CreateEnvironmentBody,
  Environment,
  PatchEnvironmentBody,
  PinAnswer,
  ResolveAnswer,
  Revision,
} from "../../protocol/v3/services.ts";
import type { CreateTerminationBody, Termination } from "../../protocol/v3/terminations.ts";
import type { ResourceLimits } from "../../protocol/webhooks/webhook.ts";
import type { AccountConfig, Caller, LoggedAttempt, RedeliveryParams, RegistryCaller } from "../rpc-types.ts";

export interface ServiceDescription {
  account: string;
  name: string;
  /** Times in milliseconds since the epoch. */
  createdAt: number;
  defaultEnvironment: string | null;
  lastSpawnedAt: number | null;
  lastImageUploadedAt: number | null;
  lastImageDigest: string | null;
  liveBackends: number;
  /** Oldest first. */
  environments: Environment[];
}

/** Of a deleted service: whether it may be forgotten, or when to look again, in milliseconds since the epoch. */
export type Retirement = { state: "forgettable"; fencingCeiling: number } | { state: "kept"; lookAt: number };

/** A service at a glance, for people. */
export interface ServiceOverview {
  defaultEnvironment: string | null;
  /** Oldest first; those only that the caller may see, a page of them. */
  environments: EnvironmentOverview[];
  /** Where the next page begins; null on the last. */
  next: string | null;
}

export interface EnvironmentOverview extends Environment {
  /** The latest revisions of its pin, newest first: never empty. */
  pins: Revision[];
  /** What its live backends run, the most common digest first, with the first tags of each. */
  running: { digest: string; tags: string[]; count: number }[];
}

export interface PinParams {
  /** A tag or a digest. */
  image: string;
  note?: string;
}

export interface ConnectParams {
  /** Undefined: the one that a request without a name uses. */
  environment?: string;
  key?: string;
  /** Null: do not start a backend. */
  spawn: SpawnParams | null;
}

/** What a spawn sets for its backend; what is left out, the environment decides. */
export interface SpawnParams {
  /** A tag or a digest, in place of the environment's pin. */
  tag?: string;
  cluster?: string;
  lifetimeLimitSeconds?: number;
  maxIdleSeconds?: number;
  mount?: string | boolean;
  env?: Record<string, string>;
  resources?: ResourceLimits;
  port?: number;
  requireBearerToken?: boolean;
}

export interface Connection {
  backendId: string;
  spawned: boolean;
  status: BackendStatus;
  statusAt: number;
  environment: string;
  cluster: string;
  /** Where the cluster serves the backend, without the connection token. */
  baseUrl: string;
  secretToken: string;
  requireBearerToken: boolean;
  /** The connection token's. Missing where a connect of Slipway up to 0.1.0 is answered again. */
  tokenId?: string;
  /** When this was decided, in milliseconds since the epoch: a replay grants the same token again. */
  grantedAt: number;
}

/** What is fixed about a backend from its decision on. */
export interface BackendInfo {
  id: string;
  account: string;
  service: string;
  environment: string;
  cluster: string;
  digest: string;
  /** The pin that it was spawned through. */
  pin: { image: string; revision: number };
  /** The tag or digest that it runs, which its spawn may have named; absent in what an earlier version has recorded. */
  image?: string;
  key: string | null;
  fencingToken: number;
  createdAt: number;
}

export interface BackendRecord {
  info: BackendInfo;
  /** Oldest first, never empty. */
  history: StatusEntry[];
  baseUrl: string | null;
}

/** A backend with its present status. */
export interface BackendWithStatus {
  info: BackendInfo;
  status: StatusEntry;
  /** Since when its key is held although nobody knows whether it runs, in milliseconds since the epoch. */
  heldSince?: number;
}

export interface RecentImage {
  repository: string;
  digest: string;
  tag: string | null;
  uploadedAt: number;
}

/** What the registry is about to store and to record. */
export interface AdmittedPush {
  digest: string;
  tags: readonly string[];
}

/** `environments`: those that the caller may see; undefined means all. */
export interface UsageQuery extends UsageRange {
  environments?: readonly string[];
}

export interface TerminateAllParams {
  /** Only those created before this, in milliseconds since the epoch. */
  before: number | null;
  hard: boolean;
  /** Counts them and ends none. */
  dryRun: boolean;
  /** Only those of this environment. */
  environment?: string;
}

/** It serves `GET /follow/news` too, with a WebSocket upgrade: each message is one `ServiceNudge` as JSON. */
export interface ServiceRpc {
  /** Sets the service up, with the environment `default`. Doing it again changes nothing. */
  initialise(
    service: {
      account: string;
      name: string;
      code: string;
      defaultEnvironment?: string;
      config: AccountConfig;
    },
    caller: Pick<Caller, "actor">,
  ): Promise<Result<ServiceDescription>>;
  /** Takes a newer configuration over; `cluster_in_use` if it drops a cluster that is needed here. */
  applyAccountConfig(config: AccountConfig): Promise<Result<null>>;
  /**
   * @param allowedEnvironments those that the caller may see, here and below; undefined means all
   * @param atMost how many of these are described, all where it is left out; all are counted
   */
  describe(allowedEnvironments?: readonly string[], atMost?: number): Promise<Result<ServiceDescription>>;
  /** @param page of environments: the first `environmentsShown` where it is left out */
  overview(allowedEnvironments?: readonly string[], page?: ListQuery): Promise<Result<ServiceOverview>>;
  patch(
    patch: { default_environment: string | null },
    caller: Pick<Caller, "actor">,
  ): Promise<Result<ServiceDescription>>;
  /** Ends every backend and forgets environments and images. */
  remove(): Promise<Result<null>>;
  /** Whether it may be forgotten after its deletion. */
  retire(): Promise<Retirement>;
  /** Gives its storage back. Harmless where that is done; throws where it may not be forgotten. */
  forget(): Promise<void>;

  /** Hands out the backend that holds the key, or starts one and answers when its cluster has answered. */
  connectBackend(params: ConnectParams, caller: Caller): Promise<Result<Connection>>;
  /** What a connect would do now, without doing it. */
  resolve(
    environment: string,
    query: { tag?: string; key?: string },
    allowedEnvironments?: readonly string[],
  ): Promise<Result<ResolveAnswer>>;

  createEnvironment(body: CreateEnvironmentBody, caller: Caller): Promise<Result<Environment>>;
  /** Newest first. */
  listEnvironments(
    query: ListQuery,
    allowedEnvironments?: readonly string[],
  ): Promise<Result<Page<Environment>>>;
  getEnvironment(name: string, allowedEnvironments?: readonly string[]): Promise<Result<Environment>>;
  patchEnvironment(name: string, patch: PatchEnvironmentBody, caller: Caller): Promise<Result<Environment>>;
  /** `environment_in_use` while it has live backends. */
  deleteEnvironment(name: string, caller: Caller): Promise<Result<null>>;
  /**
   * Pins an environment.
   * @param environment undefined: the one that a request without a name would use
   */
  pin(environment: string | undefined, params: PinParams, caller: Caller): Promise<Result<PinAnswer>>;
  history(
    environment: string,
    query: ListQuery,
    allowedEnvironments?: readonly string[],
  ): Promise<Result<Page<Revision>>>;

  /** Records a push. A tag stands on the latest push with it. */
  recordImage(body: RecordImageBody, caller: Caller | RegistryCaller): Promise<Result<Image>>;
  /**
   * From the Registry object, before it stores a push: `quota_exceeded` where the account may not have what it would add.
   * What was admitted can be recorded for a moment, whoever else adds something.
   */
  admitPush(push: AdmittedPush): Promise<Result<null>>;
  /** From the Account object: how much of its quotas is held here. */
  holdings(): Promise<Holdings>;
  /** Newest first. */
  listImages(query: ListQuery, caller: Pick<Caller, "registryHost">): Promise<Result<Page<Image>>>;
  getImage(
    digest: string,
    caller: Pick<Caller, "registryHost">,
    allowedEnvironments?: readonly string[],
  ): Promise<Result<ImageDetail>>;
  /**
   * `image_in_use` while an environment, one of its recent revisions or a live backend needs it.
   * @param caller the Registry object deletes by its own rules too
   * @param kept `own_registry`: only if it is kept there. The Registry object does not speak for other registries
   */
  deleteImage(
    digest: string,
    caller: Pick<Caller | RegistryCaller, "actor">,
    kept?: "own_registry",
  ): Promise<Result<null>>;
  /**
   * From the Registry object: a tag of its own was deleted. `image_in_use` while an environment follows it. A tag
   * that stands on another digest here is left alone: somebody recorded it since.
   */
  forgetTag(tag: string, digest: string): Promise<Result<null>>;
  /** The most recent pushes, newest first, one entry for each push. */
  recentImages(caller: Pick<Caller, "registryHost">): Promise<Result<RecentImage[]>>;

  /** Live ones as below, but for those whose keys are held until their end is proven: they are among them. */
  listBackends(query: BackendQuery, allowedEnvironments?: readonly string[]): Promise<Result<Page<Backend>>>;
  /** One of them, ended ones too. `backend_not_found`; `forbidden` in an environment that the reader is not allowed. */
  getBackend(backendId: string, allowedEnvironments?: readonly string[]): Promise<Result<Backend>>;
  /** Ends one whose key is held until its end is proven. `backend_not_held` for any other; a repetition is harmless. */
  releaseBackend(backendId: string, note: string, caller: Pick<Caller, "actor">): Promise<Result<Backend>>;
  /**
   * The newest, without those that no agent has reported for longer than the lease; their keys are held all the same.
   * At most `liveBackendsPerCall`; the next are those before the last fencing token. Fewer are all that there are.
   */
  liveBackends(before?: number): Promise<Result<BackendWithStatus[]>>;
  /**
   * What happened in each environment, the oldest first. `bad_request` for a range that is none or has too many steps, by
   * itself or for so many environments.
   */
  usage(query: UsageQuery): Promise<Result<EnvironmentUsage[]>>;
  /** `backend_not_running` for one that has ended. A repetition is harmless; soft can be made hard. */
  terminate(backendId: string, hard: boolean, caller: Pick<Caller, "actor">): Promise<Result<null>>;
  terminateAll(
    params: TerminateAllParams,
    caller: Pick<Caller, "actor">,
  ): Promise<Result<{ matched: number; terminated: number; complete: boolean }>>;

  /**
   * Terminates the backends that live now, in the background. A repetition while it goes on begins no second one.
   * `forbidden` for an environment that the caller may not touch.
   */
  createTermination(body: CreateTerminationBody, caller: Caller): Promise<Result<Termination>>;
  /** Newest first. Those of a service that was deleted too. */
  listTerminations(allowedEnvironments?: readonly string[]): Promise<Result<Termination[]>>;
  /** `termination_not_found` for one that is not kept. */
  getTermination(id: string, allowedEnvironments?: readonly string[]): Promise<Result<Termination>>;

  /** From the Cluster object: sends a webhook again. `delivery_over` where it is of no more use. */
  redeliver(params: RedeliveryParams): Promise<Result<LoggedAttempt>>;

  /**
   * For Backends shards: what was decided about a backend.
   * @param reported whether the cluster has reported on it, which acknowledges the spawn
   */
  learn(backendId: string, reported: boolean): Promise<Result<BackendRecord>>;
  /** From Backends shards: a status that matters to keys and deadlines. Ignored under another fencing token. */
  statusReached(
    backendId: string,
    fencingToken: number,
    entry: StatusEntry,
    baseUrl: string | null,
  ): Promise<Result<null>>;
  /**
   * From the Cluster object: judges the backends of this service that an agent says it runs, and ends those that no
   * agent of the cluster has any more. `live` is how many the service then has there.
   */
  reconcile(
    cluster: string,
    reported: ReportedBackend[],
    lists: ClusterLists,
  ): Promise<Result<Pick<HeartbeatVerdict, "terminate" | "unknown"> & { live: number }>>;
  /**
   * From the Cluster object: the last agent of this registration is gone, and every backend with it.
   * @param fence `proof`: backends that hold keys are not ended, and their keys stay held
   */
  clusterLost(cluster: string, registration: number, fence: Fence): Promise<Result<null>>;
}
