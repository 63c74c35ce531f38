import type { Fence } from "../domain/backends/fence.ts";
import type { Scope, TokenRole } from "../domain/credentials/access.ts";
import type { MadeToken } from "../domain/credentials/makers.ts";
import type { TokenRight } from "../domain/credentials/rights.ts";
import type { SessionKind } from "../domain/credentials/sessions.ts";
import type { DeliveryAttempt } from "../domain/deliveries/delivery-log.ts";
import type { ServiceLocation } from "../domain/location.ts";
import type { WebhookHeaders } from "../protocol/webhooks/signature.ts";
import type { ImagePinnedWebhookData } from "../protocol/webhooks/webhook.ts";

/* What the contracts of several objects speak of: plain data, as it crosses from one object to another. */

/**
 * Who does something, for histories and for scopes that only the object can check. It goes along with every spawn: `rights` and
 * `makers` are left out where there are none.
 */
export interface Actor extends MadeToken {
  tokenName: string;
  /** Of every request at the edge. */
  role?: TokenRole;
  rights?: readonly TokenRight[];
  /** What the token is narrowed to; undefined means all of the account, and all environments of the service. */
  service?: string;
  environments?: readonly string[];
}

/** A retry's name. The same key with another body is `idempotency_mismatch`. */
export interface Idempotency {
  /** Whose key it is: the id of an access token, or `root`. Another's record under the same key is never shown. */
  principal: string;
  /** Without commas. */
  key: string;
  /** SHA-256 of method, path and body. */
  requestHash: string;
}

/** Who makes a request, as the edge knows it, and the conditions that its headers, or the fields of its form, set. */
export interface Caller {
  actor: Actor;
  /** host[:port] of the deployment's own registry: it begins the name of an image recorded without a repository. */
  registryHost: string;
  /** Makes a change that is requested twice happen once. */
  idempotency?: Idempotency;
  /** The revision that the caller expects to change; `revision_conflict` where it is another one. */
  ifMatch?: number;
}

/** Whose token did something, where its scope does not matter any more. */
export type ActorName = Pick<Actor, "tokenId" | "tokenName">;

/** The Registry object as a caller: it speaks for whoever pushed; null where it does not know who did. */
export interface RegistryCaller extends Omit<Caller, "actor"> {
  origin: "registry";
  actor: ActorName | null;
}

/** A new secret as it is stored: the edge made it, and shows it once. */
export interface NewSecret {
  id: string;
  secretHash: string;
}

/** Who a token belongs to and what it may do. */
export interface Identity extends Scope, MadeToken {
  account: string;
  /** Of an agent: which registration of its cluster it belongs to. */
  registration?: number;
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
  /** What frees the keys of its backends while its agents are silent; `lease` where it is left out. */
  fence?: Fence;
  /** The secrets that sign now, newest first. `validUntil` in milliseconds since the epoch, null for good. */
  secrets: { secret: string; validUntil: number | null }[];
}

/** A request that the cluster takes for Slipway's, for as long as signatures are good (five minutes). */
export interface SignedGet {
  url: string;
  headers: WebhookHeaders;
}

/** An attempt as its cluster's log keeps it: an `image.pinned` with its data, to be sent again with it. */
export type LoggedAttempt = DeliveryAttempt & { announced?: ImagePinnedWebhookData };

/** Attempts of one service, or of the account itself (`service` null), at one registration of a cluster. */
export interface SentAttempts {
  account: string;
  cluster: string;
  registration: number;
  service: string | null;
  attempts: LoggedAttempt[];
}

export interface RedeliveryParams {
  cluster: string;
  registration: number;
  /** The webhook's. */
  id: string;
  /** How many attempts of it the log knows. */
  attempts: number;
  announced?: ImagePinnedWebhookData;
}

/** What names a service, and where it is. */
export interface PlacedService {
  account: string;
  service: string;
  location: ServiceLocation;
}
