import type { Fence } from "../../domain/backends/fence.ts";
import type { LoginPerson } from "../../domain/credentials/login-attempt.ts";
import type { SessionKind } from "../../domain/credentials/sessions.ts";
import type { LocationHint, ServiceLocation } from "../../domain/location.ts";
import type { Holdings } from "../../domain/quotas.ts";
import type { Result } from "../../domain/result.ts";
import type { Account, CreateTokenBody, PatchAccountBody, Token } from "../../protocol/v3/accounts.ts";
import type {
  Cluster,
  CreateClusterBody,
  ObservedCluster,
  PatchClusterBody,
  RotatedSecret,
  TestedCluster,
} from "../../protocol/v3/clusters.ts";
import type { AccountEvent, EventQuery } from "../../protocol/v3/events.ts";
import type { ListQuery, Page, SearchQuery } from "../../protocol/v3/list.ts";
import type { Session } from "../../protocol/v3/sessions.ts";
import type { AccountConfig, Caller, Idempotency, Identity, NewSecret, SignedGet } from "../rpc-types.ts";
import type { ServiceDescription } from "../service/contract.ts";

/** A service that is to be created. */
export interface NewServiceBody {
  name: string;
  default_environment?: string;
  /** `auto` where it is left out. */
  location?: ServiceLocation;
  /** What `auto` means for this request, as far as that is known. */
  near?: LocationHint;
}

/** A service in a list. */
export interface ListedService {
  name: string;
  created_at: string;
  location: ServiceLocation;
}

/** Who acts for an account: its access tokens, the sessions made from them, and links that make one. */
export interface CredentialsRpc {
  /** `unauthorized` for a token or session that is unknown, wrong, revoked or expired. */
  authenticate(id: string, secretHash: string): Promise<Result<Identity>>;
  /** The same, with what `hasService(service, true)` gives: one call for a request that names a service. */
  authenticateFor(
    id: string,
    secretHash: string,
    service: string,
  ): Promise<Result<{ identity: Identity; hasService: boolean }>>;
  /**
   * The same by the id alone, which is no secret: for what was derived from a token or session, and that the
   * deployment has signed.
   */
  identityOf(credentialId: string): Promise<Result<Identity>>;

  /** `quota_exceeded`, or `forbidden` where so many tokens that made one another are above the caller's that no more are recorded. */
  createToken(body: CreateTokenBody, secret: NewSecret, caller: Caller): Promise<Result<Token>>;
  listTokens(query: ListQuery): Promise<Result<Page<Token>>>;
  /** `token_not_found`, or `last_admin_token` where nobody could administer the account any more. */
  deleteToken(id: string, caller: Pick<Caller, "actor">): Promise<Result<null>>;

  /**
   * Logs the holder of an access token in. The oldest of too many sessions of one token ends.
   * `token_not_found` where the token is revoked or expired, `session_not_found` where the session is over that it was
   * requested in, `forbidden` for an agent's.
   */
  createSession(params: SessionParams & LogsIn & { kind: SessionKind }): Promise<Result<Session>>;
  /** Those that live, newest first. */
  listSessions(query: ListQuery): Promise<Result<Page<Session>>>;
  /** `session_not_found` where there is none that lives. */
  deleteSession(id: string, caller: Pick<Caller, "actor">): Promise<Result<null>>;

  /** Makes a link that logs in once, as the holder of this token. Failures as of `createSession`. */
  createLoginLink(
    link: LogsIn & { expiresInSeconds: number; secret: NewSecret },
    idempotency?: Idempotency,
  ): Promise<Result<LoginLink>>;
  /** Uses a link up for a browser session. `login_link_not_found`, whether it is unknown, wrong, used or expired. */
  useLoginLink(link: NewSecret, session: SessionParams): Promise<Result<Session>>;
}

/** Who logs in. A session must still live when a login that was begun in it is completed. */
export type LogsIn = Pick<LoginPerson, "tokenId" | "sessionId">;

export interface SessionParams {
  userAgent: string;
  secret: NewSecret;
}

export interface LoginLink {
  id: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
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
    caller: Caller,
  ): Promise<Result<Cluster>>;
  /** With how each is, by its agents' heartbeats. */
  listClusters(query: ListQuery): Promise<Result<Page<ObservedCluster>>>;
  getCluster(name: string): Promise<Result<ObservedCluster>>;
  patchCluster(
    name: string,
    patch: PatchClusterBody,
    caller: Pick<Caller, "actor">,
  ): Promise<Result<Cluster>>;
  /**
   * Adds a signing secret; the newest one before it signs on for 24 h, any other stops at once. `already_exists` for a
   * secret that signs already.
   */
  rotateSecret(
    name: string,
    signingSecret: string,
    caller: Caller,
  ): Promise<Result<Omit<RotatedSecret, "signing_secret">>>;
  /** `cluster_in_use` while an environment names it or a live backend runs there. */
  deleteCluster(name: string, caller: Pick<Caller, "actor">): Promise<Result<null>>;
  /** Sends one `cluster.ping`. What the cluster answers is data, not a failure. */
  testCluster(name: string): Promise<Result<TestedCluster>>;

  /** From the Cluster object: the present registration under a name. */
  registrationOf(cluster: string): Promise<Result<number>>;

  /**
   * From the Cluster object: whether it may begin to keep something of a registration. `unauthorized` where that has
   * ended, `unavailable` while it is being deleted.
   */
  admitRegistration(cluster: string, registration: number): Promise<Result<null>>;

  /** A GET of what a cluster has below its webhook's URL, signed. @param path begins with a slash */
  signedGet(cluster: string, path: string): Promise<Result<SignedGet>>;

  /** `location_fixed` where a service of the name was somewhere else, as long as that is not forgotten. */
  createService(body: NewServiceBody, caller: Caller): Promise<Result<ServiceDescription>>;
  /** Newest first. */
  listServices(query: SearchQuery): Promise<Result<Page<ListedService>>>;
  /** The next after a name, in the order of their names: at most `serviceNamesPerCall`. Fewer are all that there are. */
  serviceNames(after?: string): Promise<Result<string[]>>;
  /**
   * False too where there is no such account.
   * @param orHad whether one that was deleted counts; one that is being created for the first time does not
   */
  hasService(name: string, orHad?: boolean): Promise<boolean>;
  /** Those whose names are the nearest to one that there is not, for messages. */
  nearestServices(name: string): Promise<Result<string[]>>;
  /**
   * From the Cluster object: the services that may have backends there, the removed ones too, whose last backends are
   * still ending. `cluster_not_found` where this registration is no more. Page by page, as `serviceNames`.
   */
  servicesOfCluster(
    cluster: string,
    registration: number,
    after: string,
  ): Promise<Result<{ code: string; service: string }[]>>;
  /** From the Cluster object: whether a cluster takes new backends. `cluster_not_found` as above. */
  setClusterDraining(cluster: string, registration: number, draining: boolean): Promise<Result<null>>;
  /** From the Cluster object: what frees the keys of its backends while its agents are silent. `cluster_not_found` as above. */
  setClusterFence(cluster: string, registration: number, fence: Fence): Promise<Result<null>>;
  /** Ends the service's backends and takes it out of the directory. */
  deleteService(name: string, caller: Pick<Caller, "actor">): Promise<Result<null>>;

  config(): Promise<Result<AccountConfig>>;

  /** What the account stores of what has a quota. */
  describe(): Promise<Result<Account>>;
  /** Sets limits; one below what is used ends nothing. */
  setQuotas(limits: PatchAccountBody["quotas"]): Promise<Result<Account>>;
  /**
   * From a Service object: how much it holds, or is about to; `quota_exceeded` where that is too much more than before.
   * @param isForced it holds that much already, and is not refused
   */
  claimHoldings(service: string, holdings: Holdings, isForced: boolean): Promise<Result<null>>;

  /** From Service and Cluster objects: what was done there. Recording an event again is harmless. */
  recordEvents(events: AccountEvent[]): Promise<Result<null>>;
  /** Newest first. @param allowedEnvironments those that the reader is narrowed to */
  listEvents(query: EventQuery, allowedEnvironments?: readonly string[]): Promise<Result<Page<AccountEvent>>>;
}
