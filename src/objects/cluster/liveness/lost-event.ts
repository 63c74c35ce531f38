import { eventIdRandomBytes } from "../../../domain/events.ts";
import { clusterLostAfterMs } from "../../../domain/limits.ts";
import { hashSecret } from "../../../protocol/tokens/access-token.ts";
import type { AccountEvent } from "../../../protocol/v3/events.ts";
import { newEvent } from "../../events.ts";
import type { ClusterRow } from "../cluster.sql.ts";

/**
 * The event that a cluster is lost: the same one however often it is made, since its id and time are made of the last
 * heartbeat that was received, and of when its silence began to count.
 */
export async function lostEvent({
  name,
  registration,
  last_heartbeat_at: lastHeartbeatAt,
  watched_from: watchedFrom,
}: Pick<ClusterRow, "name" | "registration" | "last_heartbeat_at" | "watched_from">): Promise<AccountEvent> {
  const hash = await hashSecret(`${name} ${registration} ${lastHeartbeatAt}`);
  return newEvent(
    { type: "cluster.lost", actor: null, cluster: name },
    Math.max(lastHeartbeatAt, watchedFrom) + clusterLostAfterMs,
    new TextEncoder().encode(hash.slice(0, eventIdRandomBytes)),
  );
}
