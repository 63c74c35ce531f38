import type { IncomingMessage } from "node:http";
import { isConnectable, type StatusEntry } from "../../domain/backends/status.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { Address } from "../runtimes/runtime.ts";
import { type BackendPath, backendTarget, parseBackendPath } from "./backend-url.ts";
import type { FlatHeaders } from "./headers.ts";
import type { TokenVerifier } from "./token-verifier.ts";

/** What the proxy has to know of a backend. */
export interface ProxiedBackend {
  readonly spawn: { secret_token: string; key?: string | null; require_bearer_token?: boolean | undefined };
  readonly history: readonly StatusEntry[];
  /** Where a backend that has been ready answers until it ends; null before and after. */
  readonly address: Address | null;
  /** Whether it holds no key, or the lease is held at this moment. */
  readonly mayRun: boolean;
  /** Resolves to whether the backend has become ready: false when it ends first or after `ms`. */
  whenReady(ms: number): Promise<boolean>;
  /** Counts an open connection, which keeps the backend from being idle. @returns what ends that */
  openConnection(): () => void;
}

/** The backends of this agent. */
export interface KnownBackends {
  get(backendId: string): ProxiedBackend | undefined;
  /** Whether one that `get` does not give was here, or was to come, and has ended. Known for some minutes. */
  hasEnded(backendId: string): boolean;
}

export interface Admission {
  backend: ProxiedBackend;
  path: BackendPath;
  /** The headers that say to the backend who connects, but for `x-verified-path`. */
  verified: FlatHeaders;
  /** The token came in the `Authorization` header, which is then the proxy's and not the backend's. */
  tokenInHeader: boolean;
}

export interface AdmissionOptions {
  backends: KnownBackends;
  backendDomain: string | null;
  tokens: TokenVerifier;
}

/**
 * Finds the backend that a request is for and checks its connection token: `backend_not_found`, `backend_ended`,
 * `unauthorized`, or `unavailable` while there are no keys to check with.
 */
export async function admit(request: IncomingMessage, options: AdmissionOptions): Promise<Result<Admission>> {
  const address = backendTarget(request.headers.host, request.url ?? "", options.backendDomain);
  const backend = address === null ? undefined : options.backends.get(address.backendId);
  if (!address || !backend) {
    return address !== null && options.backends.hasEnded(address.backendId)
      ? fail("backend_ended", "this backend has ended")
      : fail("backend_not_found", "no backend runs at this address; it may have ended");
  }
  const last = backend.history.at(-1);
  if (last?.status === "terminated") return endedFailure(last);
  const tokenInHeader = backend.spawn.require_bearer_token === true;
  const path = parseBackendPath(address, !tokenInHeader);
  const token = tokenInHeader ? bearerToken(request) : path?.token;
  if (!path || typeof token !== "string") {
    const where = tokenInHeader
      ? "an `Authorization: Bearer` header"
      : "the path, where the URL that was given for this backend has it";
    return fail("unauthorized", `a connection token is needed, in ${where}`);
  }
  const verified = await options.tokens.verify(token, address.backendId, backend.spawn.secret_token);
  return verified.ok ? ok({ backend, path, verified: verified.value, tokenInHeader }) : verified;
}

/**
 * Where to forward to, once the backend is ready: `unavailable` if it is not within `ms`, and
 * `backend_ended` as soon as it ends before it was ready.
 */
export async function readyAddress(backend: ProxiedBackend, ms: number): Promise<Result<Address>> {
  if (backend.address === null) await backend.whenReady(ms);
  const { address } = backend;
  if (address !== null) return ok(address);
  const last = backend.history.at(-1);
  if (last && !isConnectable(last.status)) return endedFailure(last);
  return fail("unavailable", "the backend is still starting; try again in a moment", {
    retryAfterSeconds: 1,
  });
}

/** What may be disclosed without a token: the status, which is public. */
function endedFailure({ status, termination_reason: reason }: StatusEntry) {
  const ended = status === "terminated" ? "has ended" : "is ending";
  const summary = reason === undefined ? status : `${status}, reason ${reason}`;
  return fail("backend_ended", `this backend ${ended} (${summary})`, {
    details: { backend_status: status, ...(reason === undefined ? {} : { termination_reason: reason }) },
  });
}

function bearerToken(request: IncomingMessage): string | null {
  return /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? "")?.[1] ?? null;
}
