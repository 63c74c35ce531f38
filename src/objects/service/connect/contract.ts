import type { BackendStatus } from "../../../domain/backends/status.ts";
import type { Result } from "../../../domain/result.ts";
import type { ResolveAnswer } from "../../../protocol/v3/services.ts";
import type { ResourceLimits } from "../../../protocol/webhooks/webhook.ts";
import type { Caller } from "../../rpc-types.ts";

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
  /** Even an image that the environment was rolled back from: an admin's. */
  force?: boolean;
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

/** How a service hands out its backends. */
export interface ServiceConnectRpc {
  /** Hands out the backend that holds the key, or starts one and answers when its cluster has answered. */
  connectBackend(params: ConnectParams, caller: Caller): Promise<Result<Connection>>;
  /** What a connect would do now, without doing it. */
  resolve(
    environment: string,
    query: { tag?: string; key?: string },
    allowedEnvironments?: readonly string[],
  ): Promise<Result<ResolveAnswer>>;
}
