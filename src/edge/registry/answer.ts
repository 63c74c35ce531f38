import { type OciFailure, toOciErrors } from "../../protocol/oci/errors.ts";
import { judgeRead } from "../../protocol/oci/preconditions.ts";

/** On every answer of the registry (docker checks the version). */
const commonHeaders = { "docker-distribution-api-version": "registry/2.0" };

export function ociAnswer(
  status: number,
  headers: Record<string, string> = {},
  body: BodyInit | null = null,
): Response {
  return new Response(body, { status, headers: { ...commonHeaders, ...headers } });
}

export function ociJson(value: unknown, headers: Record<string, string> = {}, status = 200): Response {
  return ociAnswer(status, { "content-type": "application/json", ...headers }, JSON.stringify(value));
}

/** Renders an expected failure. An answer to HEAD has no body. */
export function ociFailureAnswer(
  failure: Pick<OciFailure, "message" | "status" | "detail"> & { code: string },
  headers: Record<string, string> = {},
): Response {
  return ociJson(toOciErrors(failure), headers, failure.status);
}

/**
 * The answer to a read whose conditions do not hold: 304 or 412. Null where the content is to be sent.
 * @param headers of the content, among them its ETag
 */
export function conditionAnswer(
  request: Request,
  digest: string,
  headers: Record<string, string>,
): Response | null {
  const ifMatch = request.headers.get("if-match");
  const ifNoneMatch = request.headers.get("if-none-match");
  const status = judgeRead({ ifMatch, ifNoneMatch }, digest);
  return status === 200 ? null : ociAnswer(status, headers);
}
