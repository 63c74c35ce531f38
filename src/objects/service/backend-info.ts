import type { BackendInfo } from "../contract.ts";
import type { BackendRow, ServiceRow } from "./sql/service.sql.ts";
import { specOf } from "./state.ts";

/** A backend as other objects know it. */
export function backendInfo(service: Pick<ServiceRow, "account" | "name">, row: BackendRow): BackendInfo {
  return {
    id: row.id,
    account: service.account,
    service: service.name,
    environment: row.environment,
    cluster: row.cluster,
    digest: row.digest,
    ...pinOf(row),
    key: row.key,
    fencingToken: row.fencing_token,
    createdAt: row.created_at,
  };
}

/** The pin that a backend was spawned through, and the tag or digest that it runs: its spawn may have named another. */
export function pinOf(
  row: Pick<BackendRow, "spec" | "digest">,
): Pick<BackendInfo, "pin"> & { image: string } {
  const { pin, tag } = specOf(row);
  return { pin, image: tag ?? row.digest };
}
