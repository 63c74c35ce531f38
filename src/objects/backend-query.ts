import { reaches } from "../domain/credentials/access.ts";
import type { BackendQuery } from "../protocol/v3/backends.ts";
import type { BackendWithStatus } from "./contract.ts";

/** Whether a backend matches the query of a list, and its caller may see it. */
export function matchesQuery(
  query: BackendQuery,
  { info, status }: BackendWithStatus,
  allowedEnvironments: readonly string[] | undefined,
): boolean {
  return (
    reaches(allowedEnvironments, info.environment) &&
    (query.environment === undefined || info.environment === query.environment) &&
    (query.digest === undefined || info.digest === query.digest) &&
    (query.key === undefined || info.key === query.key) &&
    (query.status === undefined ? status.status !== "terminated" : status.status === query.status)
  );
}
