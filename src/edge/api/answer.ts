import { errorStatus } from "../../domain/errors.ts";
import type { Failure } from "../../domain/result.ts";
import { toErrorEnvelope } from "../../protocol/error-envelope.ts";
import type { ApiVersion } from "./route.ts";

/** The real CLI compares the content type exactly: no charset parameter. */
const jsonHeaders = { "content-type": "application/json" };

export function jsonAnswer(
  value: unknown,
  status: number,
  requestId: string,
  headers: Record<string, string> = {},
): Response {
  const allHeaders = { ...jsonHeaders, "x-request-id": requestId, ...headers };
  return new Response(JSON.stringify(value), { status, headers: allHeaders });
}

export function emptyAnswer(requestId: string): Response {
  return new Response(null, { status: 204, headers: { "x-request-id": requestId } });
}

/** Renders an expected failure. `headers` are added to those that the failure implies. */
export function failureAnswer(
  failure: Failure,
  requestId: string,
  version: ApiVersion = "v3",
  headers: Record<string, string> = {},
): Response {
  const retryAfter: Record<string, string> =
    failure.retryAfterSeconds === undefined ? {} : { "retry-after": String(failure.retryAfterSeconds) };
  const challenge: Record<string, string> =
    failure.code === "unauthorized" ? { "www-authenticate": "Bearer" } : {};
  return jsonAnswer(
    toErrorEnvelope(failure, requestId, codeFor(version, failure)),
    errorStatus[failure.code],
    requestId,
    { ...retryAfter, ...challenge, ...headers },
  );
}

/** The only error code that the Jamsocket CLI handles by name. */
function codeFor(version: ApiVersion, { code }: Failure): string {
  const isJamsocket = version === "v1" || version === "v2";
  return isJamsocket && code === "backend_not_running" ? "BackendNotRunning" : code;
}
