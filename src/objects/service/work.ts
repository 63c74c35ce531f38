import { earliest } from "../../domain/retry.ts";
import type { Alarm } from "../database.ts";
import { recoveryDelayMs } from "./connect.ts";
import type { Deliveries } from "./deliveries.ts";
import { applyDeadline } from "./lifecycle.ts";
import type { ShardNews } from "./shard-news.ts";
import type { ServiceState } from "./state.ts";

const tellAgainMs = 2_000;

export interface WorkPorts {
  state: ServiceState;
  alarm: Alarm;
  deliveries: Deliveries;
  news: ShardNews;
  /** Called when a backend has ended without its cluster's report. */
  ended(backendId: string): void;
}

/**
 * Starts all that is due: deadlines, webhooks, news for shards, and writes down what was acknowledged. It waits for
 * none of it, so that a slow cluster holds up nothing else; whatever is lost with the process is due again when the
 * alarm rings.
 */
export function doWork(ports: WorkPorts, now: number): void {
  const { state, deliveries, news } = ports;
  state.db.transaction(() => {
    for (const [environment, at] of state.takeSpawnedAt()) state.sql.setLastSpawnedAt(environment, at);
    deliveries.flush();
    for (const { id, deadline_at } of state.sql.wakeList()) {
      if (deadline_at === null || deadline_at > now) continue;
      const row = state.sql.backend(id);
      if (row) applyDeadline(state, row, now);
    }
  });

  for (const row of state.sql.wakeList()) {
    if (row.status === "terminated") ports.ended(row.id);
    if (!news.isTold(row)) void tell(ports, row.id);
    if (isDue(row.next_attempt_at, now) && !deliveries.isSpawning(row.id)) {
      void deliveries.spawn(row.id).then(() => planAlarm(ports, Date.now()));
    }
  }
  for (const delivery of state.sql.deliveries()) {
    const waits = delivery.backend !== null && deliveries.isSpawning(delivery.backend);
    if (!isDue(delivery.next_attempt_at, now) || deliveries.isSending(delivery.id) || waits) continue;
    void deliveries.send(delivery).then((ended) => {
      if (ended !== null) void tell(ports, ended);
      planAlarm(ports, Date.now());
    });
  }
  planAlarm(ports, now);
}

async function tell(ports: WorkPorts, backendId: string): Promise<void> {
  const told = await ports.news.tell(backendId);
  if (!told) ports.alarm.noLaterThan(Date.now() + tellAgainMs);
}

function isDue(at: number | null, now: number): boolean {
  return at !== null && at <= now;
}

/** Sets the alarm for what comes next. What is under way counts as due once its attempt cannot be running any more. */
function planAlarm({ state, alarm, deliveries, news }: WorkPorts, now: number): void {
  const backends = state.sql
    .wakeList()
    .flatMap((row) => [
      deliveries.isSpawning(row.id) ? now + recoveryDelayMs : row.next_attempt_at,
      row.deadline_at,
      news.isTold(row) ? null : now + tellAgainMs,
    ]);
  const others = state.sql
    .deliveries()
    .map((row) =>
      deliveries.isSending(row.id) ? now + recoveryDelayMs : Math.max(row.next_attempt_at, now + 1),
    );
  alarm.noLaterThan(earliest([...backends, ...others]));
}
