import { z } from "zod";
import { errorStatus } from "../domain/errors.ts";
import type { Failure } from "../domain/result.ts";

/**
 * The body of every error of the API, whatever its version. Further fields beside these four are machine-readable
 * details of the failure, such as `nearest_tags`.
 */
export const errorEnvelope = z
  .object({
    error: z.looseObject({
      /** The HTTP status once more. */
      status: z.int(),
      /** One of `errorStatus` (src/domain/errors.ts); v1 and v2 have one code of their own. */
      code: z.string(),
      /** A sentence for people. It may change; programs read `code`. */
      message: z.string(),
      id: z.string().describe("The id of the request, also in the x-request-id header"),
    }),
  })
  .meta({ id: "Error" });
export type ErrorEnvelope = z.infer<typeof errorEnvelope>;

/**
 * Renders an expected failure.
 * @param requestId also in the `x-request-id` header
 * @param code replaces the failure's own where a client knows another name for it
 * @example
 * toErrorEnvelope({ code: "not_found", message: "there is no /x" }, "7c0e…")
 * // { error: { status: 404, code: "not_found", message: "there is no /x", id: "7c0e…" } }
 */
export function toErrorEnvelope(
  failure: Failure,
  requestId: string,
  code: string = failure.code,
): ErrorEnvelope {
  return {
    error: {
      ...failure.details,
      status: errorStatus[failure.code],
      code,
      message: failure.message,
      id: requestId,
    },
  };
}
