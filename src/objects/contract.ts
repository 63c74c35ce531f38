import type { Scope } from "../domain/access.ts";
import type { Result } from "../domain/result.ts";
import type { SessionKind } from "../domain/sessions.ts";
import type { Token } from "../protocol/v3/accounts.ts";
import type { HeartbeatAnswer, HeartbeatBody } from "../protocol/v3/agent.ts";
import type {
  Cluster,
  ClusterObservation,
  CreateClusterBody,
  ObservedCluster,
  PatchClusterBody,
  RotatedSecret,
  TestedCluster,
} from "../protocol/v3/clusters.ts";
import type { AccountEvent, EventQuery } from "../protocol/v3/events.ts";
import type { ListQuery, Page } from "../protocol/v3/list.ts";
import type { WebhookHeaders } from "../protocol/webhook-signature.ts";
import type { CredentialsRpc } from "./account/contract.ts";
import type { DeliveryLogRpc } from "./deliveries-contract.ts";
import type { ServiceDescription } from "./service/contract.ts";

export type * from "./account/contract.ts";
export type * from "./login/contract.ts";
export type * from "./registry/contract.ts";
export type * from "./service/contract.ts";

/*
 * What the objects take and give over RPC: plain data, expected failures as values. Each class implements the
 * interface of its name. Every method but `create` and `initialise` answers a not-found failure, and creates no
 * storage, on an object that was never set up.
 */

/** Who does something, for histories and for scopes that only the object can check. */
export interface Actor {
  tokenId: string;
  tokenName: string;
  /** The environments that the token is narrowed to; undefined means all. */
  environments?: readonly string[];
}

/** A retry's name. The same key with another body is `idempotency_mismatch`. */
export interface Idempotency {
  key: string;
  /** SHA-256 of method, path and body. */
  requestHash: string;
}

/** A new secret as it is stored: the edge made it, and shows it once. */
export interface NewSecret {
  id: string;
  secretHash: string;
}

/** Who a token belongs to and what it may do. */
export interface Identity extends Scope {
  account: string;
  /** Of an agent: which registration of its cluster it belongs to. */
  registration?: number;
  tokenId: string;
  tokenName: string;
  /** The session that the token's holder has logged in to, where it is one that acts. */
  session?: { id: string; kind: SessionKind };
  /** Milliseconds since the epoch; absent for tokens that do not expire. */
  expiresAt?: number;
}

/** All that a service needs to know of its account's clusters, kept as one versioned document. */
export interface AccountConfig {
  version: number;
  defaultCluster: string | null;
  clusters: ClusterConfig[];
}

export interface ClusterConfig {
  name: string;
  webhookUrl: string;
  backendUrlTemplate: string | null;
  ack: "sync" | "async";
  /** Tells the registrations under one name apart; left out in what was written before they had numbers: 0. */
  registration?: number;
  /** It takes no new backends for now. */
  draining?: boolean;
  /** The secrets that sign now, newest first. `validUntil` in milliseconds since the epoch, null for good. */
  secrets: { secret: string; validUntil: number | null }[];
}

/** A request that the cluster takes for Slipway's, for as long as signatures are good (five minutes). */
export interface SignedGet {
  url: string;
  headers: WebhookHeaders;
}

/**
 * Beside these methods it serves `GET /follow/events?after=&filter=` with a WebSocket upgrade: each message is one
 * `AccountEvent` as JSON.
 */
export interface AccountRpc extends CredentialsRpc {
  /** Sets the account up with a first admin token; `already_exists` if there is one of this name. */
  create(
    name: string,
    admin: NewSecret,
    idempotency?: Idempotency,
  ): Promise<Result<{ name: string; token: Token }>>;

  createCluster(
    body: CreateClusterBody,
    agent: NewSecret,
    signingSecret: string,
    actor: Actor,
    idempotency?: Idempotency,
  ): Promise<Result<Cluster>>;
  /** With how each is, by its agents' heartbeats. */
  listClusters(query: ListQuery): Promise<Result<Page<ObservedCluster>>>;
  getCluster(name: string): Promise<Result<ObservedCluster>>;
  patchCluster(name: string, patch: PatchClusterBody, actor: Actor): Promise<Result<Cluster>>;
  /**
   * Adds a signing secret; the newest one before it signs on for 24 h, any other stops at once. `already_exists` for a
   * secret that signs already.
   */
  rotateSecret(
    name: string,
    signingSecret: string,
    actor: Actor,
    idempotency?: Idempotency,
  ): Promise<Result<Omit<RotatedSecret, "signing_secret">>>;
  /** `cluster_in_use` while an environment names it or a live backend runs there. */
  deleteCluster(name: string, actor: Actor): Promise<Result<null>>;
  /** Sends one `cluster.ping`. What the cluster answers is data, not a failure. */
  testCluster(name: string): Promise<Result<TestedCluster>>;

  /** From the Cluster object: the present registration under a name. */
  registrationOf(cluster: string): Promise<Result<number>>;

  /** A GET of what a cluster has below its webhook's URL, signed. @param path begins with a slash */
  signedGet(cluster: string, path: string): Promise<Result<SignedGet>>;

  createService(
    body: { name: string; default_environment?: string },
    actor: Actor,
    idempotency?: Idempotency,
  ): Promise<Result<ServiceDescription>>;
  /** Newest first. */
  listServices(query: ListQuery): Promise<Result<Page<{ name: string; created_at: string }>>>;
  /** All of them, by name. */
  serviceNames(): Promise<Result<string[]>>;
  /**
   * From the Cluster object: the services that may have backends there, the removed ones too, whose last backends are
   * still ending. `cluster_not_found` where this registration is no more.
   */
  servicesOfCluster(
    cluster: string,
    registration: number,
  ): Promise<Result<{ code: string; service: string }[]>>;
  /** From the Cluster object: whether a cluster takes new backends. `cluster_not_found` as above. */
  setClusterDraining(cluster: string, registration: number, draining: boolean): Promise<Result<null>>;
  /** Ends the service's backends and takes it out of the directory. */
  deleteService(name: string, actor: Actor): Promise<Result<null>>;

  config(): Promise<Result<AccountConfig>>;

  /** From Service and Cluster objects: what was done there. Telling an event again is harmless. */
  recordEvents(events: AccountEvent[]): Promise<Result<null>>;
  /** Newest first. @param allowedEnvironments those that the reader is narrowed to */
  listEvents(query: EventQuery, allowedEnvironments?: readonly string[]): Promise<Result<Page<AccountEvent>>>;
}

export interface ClusterRpc extends DeliveryLogRpc {
  /**
   * @param registration which registration of the cluster the agent belongs to: an earlier one's heartbeats are
   *   `unauthorized`, a later one's leave nothing of those before
   */
  heartbeat(
    account: string,
    cluster: string,
    registration: number,
    body: HeartbeatBody,
  ): Promise<Result<HeartbeatAnswer>>;
  /** How the cluster is; unknown while no agent of this registration was heard. */
  observe(registration: number): Promise<ClusterObservation>;
  /**
   * From Service objects: which of a service's backends, all acknowledged by the cluster, no agent was heard to run for
   * longer than the lease. None where no agent of this registration was ever heard.
   * @param code the service's
   */
  unheard(
    registration: number,
    code: string,
    expected: { id: string; expectedForMs: number }[],
  ): Promise<string[]>;
}

export interface DirectoryRpc {
  /** Gives the code to the service if nobody else has it. Asking again for the same service is harmless. */
  claim(code: string, account: string, service: string): Promise<boolean>;
  lookup(code: string): Promise<{ account: string; service: string } | null>;
}
