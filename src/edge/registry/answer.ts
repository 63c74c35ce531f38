import { type OciFailure, toOciErrors } from "../../protocol/oci/errors.ts";
import { type Conditions, judgeRead } from "../../protocol/oci/preconditions.ts";

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
  const conditions = conditionsOf(request);
  const status = conditions === undefined ? 200 : judgeRead(conditions, digest);
  if (status === 200) return null;
  if (status === 304) return ociAnswer(status, headers);
  const standing = { etag: `"${digest}"`, "docker-content-digest": digest };
  if (request.method === "HEAD") return ociAnswer(status, standing);
  const message = `a condition does not hold: this is ${digest}`;
  return ociFailureAnswer({ code: "PRECONDITION_FAILED", message, status }, standing);
}

/** Of a method that a path does not have (RFC 9110 15.5.6). @param methods those that it has */
export function methodNotAllowedAnswer(methods: readonly string[]): Response {
  const allow = methods.join(", ");
  const failure = { code: "UNSUPPORTED", message: `allowed here: ${allow}`, status: 405 };
  return ociFailureAnswer(failure, { allow });
}

/** The conditions of a request, where it has any. */
export function conditionsOf({ headers }: Request): Conditions | undefined {
  const conditions = { ifMatch: headers.get("if-match"), ifNoneMatch: headers.get("if-none-match") };
  return conditions.ifMatch === null && conditions.ifNoneMatch === null ? undefined : conditions;
}
