import { putOffUntil } from "../../domain/backends/watch.ts";
import { earliest } from "../../domain/deliveries/retry.ts";
import { recoveryDelayMs, shardRetryMs, shardsNotifiedAtOnce } from "../../domain/limits.ts";
import type { Alarm } from "../alarm.ts";
import { applyDeadline } from "./backends/lifecycle.ts";
import { continueMassTerminations } from "./backends/mass-terminations.ts";
import type { ShardNotifier } from "./backends/shard-notifier.ts";
import type { AttemptLog } from "./deliveries/attempt-log.ts";
import type { Deliveries } from "./deliveries/deliveries.ts";
import { continueDrains } from "./drains/continue.ts";
import type { ServiceState } from "./state.ts";

export interface WorkPorts {
  state: ServiceState;
  alarm: Alarm;
  deliveries: Deliveries;
  shards: ShardNotifier;
  attempts: AttemptLog;
}

/**
 * Starts all that is due: deadlines, webhooks, notifications of shards, and writes what was acknowledged and counted.
 * It waits for none of it, so that a slow cluster holds up nothing else; what is lost with the process is due again
 * when the alarm rings, but for what was counted.
 */
export function doWork(ports: WorkPorts, now: number): void {
  const { state, deliveries, shards, alarm, attempts } = ports;
  const nextEnds = state.db.transaction(() => {
    const next = earliest([continueMassTerminations(state, now), continueDrains(state, now)]);
    for (const [environment, at] of state.backends.takeSpawned()) state.sql.noteSpawn(environment, at);
    state.spawns.flush();
    state.announcements.write();
    state.arms.flush();
    applyDeadlines(state, now);
    return next;
  });

  const unnotified = state.backends.untold().filter((row) => !shards.isNotified(row));
  for (const id of shards.next(unnotified, shardsNotifiedAtOnce)) void notifyShard(ports, id);
  const times = [
    deliveries.startSpawns(now),
    deliveries.startOthers(now),
    attempts.flushDue(now),
    nextEnds,
    // What is under way sets a sooner alarm where it fails, and has one left where it is lost with the process.
    unnotified.length > 0 ? now + recoveryDelayMs : null,
    unnotified.length > shardsNotifiedAtOnce ? now + shardRetryMs : null,
    state.backends.nextDeadline(),
  ];
  try {
    state.usage.flush(now);
  } finally {
    // In one: each alarm that is set is a row written.
    alarm.noLaterThan(earliest([...times, state.usage.writeBy(), state.arms.writeBy()]));
  }
}

/** Starts the deliveries that are due and no spawns: all that a change which touches no backend can have left to do. */
export function startDeliveries({ deliveries, alarm }: WorkPorts, now: number): void {
  alarm.noLaterThan(deliveries.startOthers(now));
}

/** Notifies the shard of a backend of its status, and has that retried where it fails. */
export async function notifyShard(
  { shards, alarm }: Pick<WorkPorts, "shards" | "alarm">,
  backendId: string,
): Promise<void> {
  const isNotified = await shards.notify(backendId);
  if (!isNotified) alarm.noLaterThan(Date.now() + shardRetryMs);
}

function applyDeadlines(state: ServiceState, now: number): void {
  for (const { id, deadline_at: at } of state.backends.due(now)) {
    const putOff = at === null ? null : putOffUntil(at, now);
    const row = state.backend(id);
    if (putOff !== null) state.sql.setDeadline(id, putOff);
    else if (row) applyDeadline(state, row, now);
  }
}
