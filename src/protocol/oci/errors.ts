/**
 * OCI Distribution 1.1, "Error codes": all of them, each with the HTTP status that it has by default, and one for conditions
 * (RFC 9110 15.5.13), for which there is none.
 */
const ociErrorStatus = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  PRECONDITION_FAILED: 412,
} as const;
export type OciErrorCode = keyof typeof ociErrorStatus;

/** An expected failure of the registry, as plain data. */
export interface OciFailure {
  code: OciErrorCode;
  message: string;
  status: number;
  /** Machine-readable, such as the digests that are missing. */
  detail?: Record<string, string | string[]>;
}

/** A value, or an expected failure. */
export type OciResult<T> = { ok: true; value: T } | { ok: false; error: OciFailure };

/** A failure. @param extra `status` where it is another than the code's default */
export function ociFail(
  code: OciErrorCode,
  message: string,
  extra: { status?: number; detail?: OciFailure["detail"] } = {},
): { ok: false; error: OciFailure } {
  const { status = ociErrorStatus[code], detail } = extra;
  return { ok: false, error: { code, message, status, ...(detail === undefined ? {} : { detail }) } };
}

/** The body of every error of the registry (OCI Distribution 1.1, "Error codes"): a list, here always of one. */
export function toOciErrors({
  code,
  message,
  detail,
}: Pick<OciFailure, "message" | "detail"> & { code: string }) {
  return { errors: [{ code, message, detail: detail ?? null }] };
}
