import type { Fence } from "../../../domain/backends/fence.ts";
import type { ClusterLists, HeartbeatVerdict, ReportedBackend } from "../../../domain/backends/lease.ts";
import type { StatusEntry } from "../../../domain/backends/status.ts";
import type { Result } from "../../../domain/result.ts";
import type { Backend, BackendQuery } from "../../../protocol/v3/backends.ts";
import type { Page } from "../../../protocol/v3/list.ts";
import type { CreateTerminationBody, Termination } from "../../../protocol/v3/terminations.ts";
import type { Caller } from "../../rpc-types.ts";

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

export interface TerminateAllParams {
  /** Only those created before this, in milliseconds since the epoch. */
  before: number | null;
  hard: boolean;
  /** Counts them and ends none. */
  dryRun: boolean;
  /** Only those of this environment. */
  environment?: string;
}

/** What is to be changed in what a service has of an agent's list. */
export interface ListUpdate {
  agent: string;
  /** Whether it is everything that the agent lists of the service; what the service had of it is dropped then. */
  isWhole: boolean;
  backends: ReportedBackend[];
  gone: string[];
  /** How long ago the agent's last heartbeat was. */
  silentMs: number;
}

/** A heartbeat, as far as it concerns one service: what it does not have of the lists, and by what it sees that it has the rest. */
export interface ClusterReport extends Omit<ClusterLists, "elsewhere" | "alive"> {
  /** Those that are alive, each with the digest of what it lists of the service; null where that is not known. */
  agents: { id: string; digest: string | null }[];
  updates: ListUpdate[];
}

/** What a service says to it. */
export interface ServiceVerdict extends Pick<HeartbeatVerdict, "terminate" | "unknown"> {
  /** How many of its backends no agent of the cluster lists. */
  unlisted: number;
  /** The agents whose lists it does not have. Nothing is judged where there are any. */
  lacking: string[];
}

/** What a service answers about its backends, and takes from those that run them. */
export interface ServiceBackendsRpc {
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
  /**
   * For Backends shards: what was decided about a backend, and what it has gone through that its shard has not written.
   * @param reported whether the cluster has reported on it, which acknowledges the spawn
   */
  learn(backendId: string, reported: boolean): Promise<Result<BackendRecord>>;
  /**
   * From Backends shards: what one report adds, oldest first, where its last status matters to keys and deadlines. Ignored under
   * another fencing token.
   * @returns `kept`: all of it is in what `learn` gives, so that the shard need not write it
   */
  statusReached(
    backendId: string,
    fencingToken: number,
    entries: readonly StatusEntry[],
    baseUrl: string | null,
  ): Promise<Result<{ kept: boolean }>>;
  /**
   * From the Cluster object: judges the backends of this service that an agent says it runs, and ends those that no
   * agent of the cluster has any more. Where it does not have the lists that the report speaks of, it judges nothing.
   */
  reconcile(cluster: string, report: ClusterReport): Promise<Result<ServiceVerdict>>;
  /**
   * From the Cluster object: the last agent of this registration is gone, and every backend with it.
   * @param fence `proof`: backends that hold keys are not ended, and their keys stay held
   */
  clusterLost(cluster: string, registration: number, fence: Fence): Promise<Result<null>>;
}
