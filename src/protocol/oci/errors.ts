/** OCI Distribution 1.1, "Error codes": all there are, each with the status it has where nothing else is said. */
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
} as const;
export type OciErrorCode = keyof typeof ociErrorStatus;

/** An expected failure of the registry, as plain data. */
export interface OciFailure {
  code: OciErrorCode;
  message: string;
  status: number;
  detail?: Record<string, string | string[]>;
}

export type OciResult<T> = { ok: true; value: T } | { ok: false; error: OciFailure };

export function ociFail(
  code: OciErrorCode,
  message: string,
  extra: { status?: number; detail?: OciFailure["detail"] } = {},
): { ok: false; error: OciFailure } {
  const { status = ociErrorStatus[code], detail } = extra;
  return { ok: false, error: { code, message, status, ...(detail === undefined ? {} : { detail }) } };
}

/** The one error body of the registry. */
export function toOciErrors({
  code,
  message,
  detail,
}: Pick<OciFailure, "message" | "detail"> & { code: string }) {
  return { errors: [{ code, message, detail: detail ?? null }] };
}
