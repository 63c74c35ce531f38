import { errorStatus } from "../../domain/errors.ts";
import type { RepositoryAction } from "../../domain/registry/actions.ts";
import { parseRepositoryName } from "../../domain/registry/repository.ts";
import type { Failure } from "../../domain/result.ts";
import type { Env } from "../../objects/env.ts";
import { type OciFailure, ociFail } from "../../protocol/oci/errors.ts";
import {
  type BearerError,
  bearerChallenge,
  catalogScope,
  repositoryScope,
} from "../../protocol/oci/token-authentication.ts";
import { isBearer } from "../admission/credential.ts";
import type { Refusal } from "../admission/refusal.ts";
import { originOf, registryHostOf } from "../origin.ts";
import { ociAnswer, ociFailureAnswer } from "./answer.ts";

/** The OCI error for a refusal. @param name of the repository, as received */
export function ociRefusal({ reason, message }: Refusal, name: string): { ok: false; error: OciFailure } {
  switch (reason) {
    case "no_credential":
      return ociFail("UNAUTHORIZED", "authentication required");
    case "bad_credential":
      return ociFail("UNAUTHORIZED", "the credentials are malformed, unknown, revoked or expired");
    case "not_found":
      return nameUnknown(name);
    case "forbidden":
      return ociFail("DENIED", message);
    case "not_granted":
      return ociFail("UNAUTHORIZED", message);
    case "undecided":
      throw new Error(message);
  }
}

export function nameUnknown(name: string) {
  return ociFail(
    "NAME_UNKNOWN",
    `repository \`${name.slice(0, 160)}\` not found; its service must be created first`,
  );
}

/**
 * Renders a failure of ours. The specification has codes for 4xx only; `UNAVAILABLE` is that of CNCF distribution, which
 * clients know.
 */
export function unavailableAnswer(
  request: Request,
  { code, message, retryAfterSeconds }: Failure,
  identified: Record<string, string>,
): Response {
  const headers: Record<string, string> =
    retryAfterSeconds === undefined
      ? identified
      : { ...identified, "retry-after": String(retryAfterSeconds) };
  const status = errorStatus[code];
  const ociCode = code === "storage_full" ? "UNAVAILABLE" : "TOOMANYREQUESTS";
  return request.method === "HEAD"
    ? ociAnswer(status, headers)
    : ociFailureAnswer({ code: ociCode, message, status }, headers);
}

/**
 * Renders a failure, with a challenge for one of authentication. The challenge has the scope that is wanted only where
 * its name is one that a repository could have: a header has nothing in it that was not checked.
 * @param wanted of a repository, or the list of them
 * @param error what is wrong with the token that the request was identified by; without it, one that it has is not accepted
 */
export function refusalAnswer(
  env: Env,
  request: Request,
  failure: Omit<OciFailure, "code"> & { code: string },
  wanted?: { name: string; action: RepositoryAction } | "catalog",
  error?: BearerError,
): Response {
  const headers: Record<string, string> = {};
  if (failure.code === "UNAUTHORIZED") {
    headers["www-authenticate"] = bearerChallenge(originOf(env, request), registryHostOf(env, request), {
      scope: wanted === undefined ? undefined : scopeOf(wanted),
      error: error ?? (isBearer(request.headers.get("authorization")) ? "invalid_token" : undefined),
    });
  }
  return request.method === "HEAD" ? ociAnswer(failure.status, headers) : ociFailureAnswer(failure, headers);
}

function scopeOf(wanted: { name: string; action: RepositoryAction } | "catalog"): string | undefined {
  if (wanted === "catalog") return catalogScope;
  if (parseRepositoryName(wanted.name).kind === "malformed") return undefined;
  return repositoryScope(wanted.name, wanted.action);
}
