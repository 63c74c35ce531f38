import { z } from "zod";
import { errorStatus } from "../domain/errors.ts";
import type { Failure } from "../domain/result.ts";

export const errorEnvelope = z
  .object({
    error: z.looseObject({
      status: z.int(),
      code: z.string(),
      message: z.string(),
      id: z.string().describe("The id of the request, also in the x-request-id header"),
    }),
  })
  .meta({ id: "Error" });
export type ErrorEnvelope = z.infer<typeof errorEnvelope>;

/** The one error body of the whole API. `code` replaces the failure's own where a client knows another name for it. */
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
