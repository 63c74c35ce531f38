import type { IncomingMessage } from "node:http";
import { decodeProtectedHeader } from "jose";
import { fail, ok, type Result } from "../domain/result.ts";
import { type ConnectionClaims, verifyConnectionToken } from "../protocol/connection-token.ts";
import type { Backend } from "./backend.ts";
import type { Backends } from "./backends.ts";
import type { ConnectionKeys } from "./connection-keys.ts";
import { backendIdOf, type ConnectionPath, parseConnectionPath } from "./connection-path.ts";

export interface Admission {
  backend: Backend;
  claims: ConnectionClaims;
  path: ConnectionPath;
  /** The token came in the `Authorization` header, which is then the proxy's and not the backend's. */
  tokenInHeader: boolean;
}

export interface AdmissionOptions {
  account: string;
  cluster: string;
  backends: Backends;
  keys: ConnectionKeys;
}

/**
 * Finds the backend that a request is for and checks its connection token: `backend_not_found`, `unauthorized`,
 * or `unavailable` while there are no keys to check with.
 */
export async function admit(request: IncomingMessage, options: AdmissionOptions): Promise<Result<Admission>> {
  const target = request.url ?? "";
  const id = backendIdOf(target);
  const backend = id === null ? undefined : options.backends.get(id);
  if (id === null || !backend || backend.status === "terminated") {
    return fail("backend_not_found", "no backend runs at this address; it may have ended");
  }
  const tokenInHeader = backend.spawn.require_bearer_token === true;
  const path = parseConnectionPath(target, !tokenInHeader);
  const token = tokenInHeader ? bearerToken(request) : path?.token;
  if (!path || typeof token !== "string") {
    const where = tokenInHeader ? "an `Authorization: Bearer` header" : "the path: /<backend id>/<token>/";
    return fail("unauthorized", `a connection token is needed, in ${where}`);
  }
  const keys = await options.keys.forKeyId(keyIdOf(token));
  if (!keys) return fail("unavailable", "connection tokens cannot be checked now", { retryAfterSeconds: 5 });
  const { account, cluster } = options;
  const verified = await verifyConnectionToken(token, keys, { account, cluster, backendId: id });
  if (!verified.ok) return fail("unauthorized", `the connection token is not good: ${verified.reason}`);
  return ok({ backend, claims: verified.claims, path, tokenInHeader });
}

function bearerToken(request: IncomingMessage): string | null {
  return /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? "")?.[1] ?? null;
}

/** The key that a token says it was signed with; a malformed token names none. */
function keyIdOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).kid;
  } catch {
    return undefined;
  }
}
