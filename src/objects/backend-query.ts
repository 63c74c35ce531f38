import { reaches } from "../domain/credentials/access.ts";
import { findsBackend } from "../domain/search.ts";
import type { BackendQuery } from "../protocol/v3/backends.ts";
import type { BackendInfo, BackendWithStatus } from "./contract.ts";

/** What a backend is found by. */
export interface Queried {
  info: Pick<BackendInfo, "id" | "environment" | "digest" | "key">;
  status: Pick<BackendWithStatus["status"], "status">;
}

/** Whether a backend matches the query of a list, and its caller may see it. */
export function matchesQuery(
  query: BackendQuery,
  { info, status }: Queried,
  allowedEnvironments: readonly string[] | undefined,
): boolean {
  return (
    reaches(allowedEnvironments, info.environment) &&
    (query.environment === undefined || info.environment === query.environment) &&
    (query.digest === undefined || info.digest === query.digest) &&
    (query.key === undefined || info.key === query.key) &&
    (query.search === undefined || findsBackend(query.search, info)) &&
    (query.status === undefined ? status.status !== "terminated" : status.status === query.status)
  );
}
