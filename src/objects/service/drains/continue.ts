import { earliest } from "../../../domain/deliveries/retry.ts";
import { nextDrainStep } from "../../../domain/deploys/drain.ts";
import { drainIdleMs } from "../../../domain/limits.ts";
import { beginTermination } from "../backends/lifecycle.ts";
import type { DrainRow } from "../sql/drains.sql.ts";
import type { KeptBackend } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { planOf } from "./under-way.ts";

/**
 * Goes on with the drains that are under way: each ends the next of its backends when its rate allows. Inside a transaction, so that
 * what was ended and when the next may be are written as one, and a kill takes nothing of the rate back.
 * @param now milliseconds since the epoch
 * @returns when to go on; null where what is left ends without it
 */
export function continueDrains(state: ServiceState, now: number): number | null {
  return earliest(
    state.drains.all().map((row) => {
      const at = state.drains.looksAt(row);
      if (at === null || at > now) return at;
      const next = endNext(state, row, now);
      state.drains.lookAt(row, next);
      return next;
    }),
  );
}

function endNext(state: ServiceState, row: DrainRow, now: number): number | null {
  const meant = state.drains.meant(state.drains.scopeOf(row));
  const step = nextDrainStep(meant, planOf(row), {
    now,
    isIdle: (backend) => state.activity.isIdle(backend, drainIdleMs, now),
    pending: undelivered(state, meant),
  });
  for (const id of step.ends) {
    const backend = state.backend(id);
    if (backend) beginTermination(state, backend, { hard: false, reason: "external" }, now);
  }
  if (step.nextAt !== row.next_at) state.sql.paceDrain(row.id, step.nextAt);
  return step.lookAt;
}

/**
 * How many soft ends of these backends each cluster has yet to receive. One whose grace is over is ended hard, and counts no more: so one
 * that its cluster does not take holds up the others for that long, and not for good.
 */
function undelivered(state: ServiceState, backends: readonly KeptBackend[]): Map<string, number> {
  const waiting = new Set(state.deliveries.all().map(({ backend }) => backend));
  const counts = new Map<string, number>();
  for (const { id, cluster, status } of waiting.size === 0 ? [] : backends) {
    if (status === "terminating" && waiting.has(id)) counts.set(cluster, (counts.get(cluster) ?? 0) + 1);
  }
  return counts;
}
