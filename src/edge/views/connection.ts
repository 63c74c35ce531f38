import { ok, type Result } from "../../domain/result.ts";
import type { Caller, Connection, ConnectParams } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { serviceStub } from "../../objects/stubs.ts";
import { connectionSecret } from "../../protocol/tokens/connection-secret.ts";
import { type ConnectionClaims, signConnectionToken } from "../../protocol/tokens/connection-token.ts";
import { signingOf } from "../credentials/signing.ts";
import { originOf } from "../origin.ts";

/** Who connects, as the cluster's proxy passes it to the backend. */
export interface ConnectingUser {
  user?: string | undefined;
  auth?: ConnectionClaims["auth"];
}

export interface GrantedConnection extends Connection {
  token: string;
  /** This connection's own, derived from the backend's. */
  secretToken: string;
  /** The URL for the client, with the token in its path unless the client sends it as a bearer token. */
  url: string;
  readyUrl: string;
  origin: string;
}

/** Connects to a backend, spawning one where `params` request it, and signs the connection token. */
export async function connect(
  { env, request, caller }: { env: Env; request: Request; caller: Caller },
  { account, service }: { account: string; service: string },
  params: ConnectParams,
  user: ConnectingUser,
): Promise<Result<GrantedConnection>> {
  const connected = await serviceStub(env, account, service).connectBackend(params, caller);
  if (!connected.ok) return connected;

  const connection = connected.value;
  const { backendId, cluster, grantedAt, requireBearerToken, tokenId } = connection;
  const issuer = originOf(env, request);
  const token = await signConnectionToken(await signingOf(env).signer, {
    issuer,
    account,
    cluster,
    backendId,
    grantedAt,
    tokenId,
    ...user,
  });
  const spawnSecret = connection.secretToken;
  const secretToken = tokenId === undefined ? spawnSecret : connectionSecret(spawnSecret, tokenId);
  const ready = `${issuer}/ready/${backendId}`;
  return ok({
    ...connection,
    token,
    secretToken,
    url: backendUrl(connection.baseUrl, requireBearerToken ? undefined : token),
    readyUrl: requireBearerToken ? ready : `${ready}/${token}`,
    origin: issuer,
  });
}

/** The URL of a backend, with or without a connection token in its path. */
export function backendUrl(baseUrl: string, token: string | undefined): string {
  const base = baseUrl.replace(/\/+$/, "");
  return token === undefined ? `${base}/` : `${base}/${token}/`;
}
