import { nextDeadline } from "../../../domain/backends/lifecycle.ts";
import type { BackendRow } from "../sql/service.sql.ts";
import type { BackendSpec } from "../state.ts";

/** Slipway's own next deadline for a backend, and which one it is; null where it has none. */
export function deadlineOf(
  row: Pick<BackendRow, "status" | "status_at" | "created_at">,
  spec: Pick<BackendSpec, "startupTimeoutSeconds" | "lifetimeLimitSeconds">,
) {
  return nextDeadline({
    status: row.status,
    createdAt: row.created_at,
    statusAt: row.status_at,
    startupTimeoutSeconds: spec.startupTimeoutSeconds,
    ...(spec.lifetimeLimitSeconds === undefined ? {} : { lifetimeLimitSeconds: spec.lifetimeLimitSeconds }),
  });
}
