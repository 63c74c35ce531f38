import { isoTime } from "../../../protocol/primitives.ts";
import type { Backend } from "../../../protocol/v3/backends.ts";
import type { BackendWithStatus } from "../../contract.ts";

/** A backend as lists show it. */
export function backendView({ info, status, heldSince }: BackendWithStatus): Backend {
  return {
    id: info.id,
    account: info.account,
    service: info.service,
    environment: info.environment,
    cluster: info.cluster,
    status: status.status,
    status_at: isoTime(status.time),
    image: { image: info.image ?? info.pin.image, digest: info.digest, revision: info.pin.revision },
    ...(info.key === null ? {} : { key: info.key }),
    fencing_token: info.fencingToken,
    created_at: isoTime(info.createdAt),
    ...(heldSince === undefined ? {} : { held_since: isoTime(heldSince) }),
  };
}
