import type { ServiceLocation } from "../../domain/location.ts";
import type { Holdings } from "../../domain/quotas.ts";
import type { Result } from "../../domain/result.ts";
import type { EnvironmentUsage, UsageRange } from "../../domain/usage/usage.ts";
import type { Image } from "../../protocol/v3/images.ts";
import type { ListQuery, Page, SearchQuery } from "../../protocol/v3/list.ts";
import type { Environment, ResolveAnswer, Revision } from "../../protocol/v3/services.ts";
import type { AccountConfig, Caller, LoggedAttempt, RedeliveryParams } from "../rpc-types.ts";

import type { ServiceBackendsRpc } from "./backends/contract.ts";
import type { ServiceConnectRpc } from "./connect/contract.ts";
import type { ServiceDeploysRpc } from "./deploys/contract.ts";
import type { ServiceDrainsRpc } from "./drains/contract.ts";
import type { ServiceEnvironmentsRpc, ServiceImagesRpc } from "./pins/contract.ts";

export type * from "./backends/contract.ts";
export type * from "./connect/contract.ts";
export type * from "./deploys/contract.ts";
export type * from "./pins/contract.ts";

export interface ServiceDescription {
  account: string;
  name: string;
  /** Times in milliseconds since the epoch. */
  createdAt: number;
  location: ServiceLocation;
  defaultEnvironment: string | null;
  lastSpawnedAt: number | null;
  lastImageUploadedAt: number | null;
  lastImageDigest: string | null;
  liveBackends: number;
  /** The oldest first, at most `environmentNamesListed`. */
  environmentNames: string[];
  environmentsTotal: number;
  /** The oldest first, as many as were to be described. */
  environments: EnvironmentGlance[];
}

/** What a description of all of a service says of an environment. */
export type EnvironmentGlance = Omit<Environment, "settings">;

/** Of a deleted service: whether it may be forgotten, or when to look again, in milliseconds since the epoch. */
export type Retirement = { state: "forgettable"; fencingCeiling: number } | { state: "kept"; lookAt: number };

/** A service at a glance, for people. */
export interface ServiceOverview {
  location: ServiceLocation;
  defaultEnvironment: string | null;
  /** Oldest first; those only that the caller may see, a page of them. */
  environments: EnvironmentOverview[];
  /** The cursors of the pages on either side; null on the last, and on the first. */
  next: string | null;
  previous: string | null;
}

/** What live backends run. */
export interface RunningDigests {
  /** The most common digests, the most common first, with the first tags of each. */
  running: { digest: string; tags: string[]; count: number }[];
  /** How many other digests there are, and how many backends run one of them. */
  runningOthers: { digests: number; count: number };
}

export interface EnvironmentOverview extends Environment, RunningDigests {
  /** The latest revisions of its pin, newest first: never empty. */
  pins: Revision[];
}

/** An environment with all that its page shows of it. */
export interface EnvironmentDetail {
  environment: Environment;
  /** What a spawn would run now. */
  resolution: ResolveAnswer;
  /** Newest first. */
  revisions: Page<Revision>;
}

/** What there is to choose from, for people. */
export interface EnvironmentChoice {
  /** The environments that the caller may see, oldest first; null: too many to choose from. */
  names: string[] | null;
  /** The first of them. */
  first: string | null;
  defaultEnvironment: string | null;
  /** How many backends live in the chosen environment, or in all of them. */
  live: number;
}

/** An image, with the first environments that resolve to it now, of those that the caller may see, and how many do. */
export interface UsedImage extends Image {
  environments: string[];
  environmentsTotal: number;
}

/** `environments`: those that the caller may see; undefined means all. */
export interface UsageQuery extends UsageRange {
  environments?: readonly string[];
}

/** It serves `GET /follow/news` too, with a WebSocket upgrade: each message is one `ServiceNudge` as JSON. */
export interface ServiceRpc
  extends ServiceBackendsRpc,
    ServiceConnectRpc,
    ServiceDeploysRpc,
    ServiceDrainsRpc,
    ServiceEnvironmentsRpc,
    ServiceImagesRpc {
  /** Sets the service up, with the environment `default`. Doing it again changes nothing. */
  initialise(
    service: {
      account: string;
      name: string;
      code: string;
      location: ServiceLocation;
      defaultEnvironment?: string;
      config: AccountConfig;
    },
    caller: Pick<Caller, "actor">,
  ): Promise<Result<ServiceDescription>>;
  /** Takes a newer configuration over; `cluster_in_use` if it drops a cluster that is needed here. */
  applyAccountConfig(config: AccountConfig): Promise<Result<null>>;
  /** `service_not_found` where there is none. */
  exists(): Promise<Result<null>>;
  /**
   * @param allowedEnvironments those that the caller may see, here and below; undefined means all
   * @param atMost how many of these are described, all where it is left out; all are counted
   */
  describe(allowedEnvironments?: readonly string[], atMost?: number): Promise<Result<ServiceDescription>>;
  /** @param query of environments: the first `environmentsShown` where it is left out */
  overview(allowedEnvironments?: readonly string[], query?: SearchQuery): Promise<Result<ServiceOverview>>;
  /** @param query of its revisions */
  environmentDetail(
    name: string,
    query: ListQuery,
    allowedEnvironments?: readonly string[],
  ): Promise<Result<EnvironmentDetail>>;
  /** @param chosen one of them; undefined: all */
  environmentChoice(
    chosen: string | undefined,
    atMost: number,
    allowedEnvironments?: readonly string[],
  ): Promise<Result<EnvironmentChoice>>;
  /** As `listImages`. */
  usedImages(
    query: SearchQuery,
    caller: Pick<Caller, "registryHost">,
    allowedEnvironments?: readonly string[],
  ): Promise<Result<Page<UsedImage>>>;
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
  /** From the Cluster object: sends a webhook again. `delivery_over` where it is of no more use. */
  redeliver(params: RedeliveryParams): Promise<Result<LoggedAttempt>>;
  /** From the Account object: how much of its quotas is held here. */
  holdings(): Promise<Holdings>;
  /**
   * What happened in each environment, the oldest first. `bad_request` for a range that is none or has too many steps, by
   * itself or for so many environments.
   */
  usage(query: UsageQuery): Promise<Result<EnvironmentUsage[]>>;
}
