import { earliest } from "../../domain/deliveries/retry.ts";
import type { Alarm } from "../alarm.ts";
import { applyDeadline } from "./backends/lifecycle.ts";
import type { ShardNews } from "./backends/shard-news.ts";
import { recoveryDelayMs } from "./connect/decide.ts";
import type { AttemptLog } from "./deliveries/attempt-log.ts";
import type { Deliveries } from "./deliveries/deliveries.ts";
import type { DeliveryRow } from "./sql/service.sql.ts";
import type { ServiceState } from "./state.ts";

const tellAgainMs = 2_000;

export interface WorkPorts {
  state: ServiceState;
  alarm: Alarm;
  deliveries: Deliveries;
  news: ShardNews;
  attempts: AttemptLog;
  /** Called when a backend has ended without its cluster's report. */
  ended(backendId: string): void;
}

/**
 * Starts all that is due: deadlines, webhooks, news for shards, and writes down what was acknowledged and counted.
 * It waits for none of it, so that a slow cluster holds up nothing else; whatever is lost with the process is due
 * again when the alarm rings, but for what was counted.
 */
export function doWork(ports: WorkPorts, now: number): void {
  const { state, deliveries, news, alarm } = ports;
  const rows = state.db.transaction(() => {
    const woken = state.sql.wakeList();
    for (const [environment, at] of lastSpawns(woken)) state.sql.noteSpawn(environment, at);
    const changed = [deliveries.flush(), applyDeadlines(ports, woken, now)];
    return changed.includes(true) ? state.sql.wakeList() : woken;
  });

  for (const row of rows) {
    if (row.status === "terminated") ports.ended(row.id);
    if (!news.isTold(row)) void tell(ports, row.id);
    if (isDue(row.next_attempt_at, now) && !deliveries.isSpawning(row.id)) void deliveries.spawn(row.id);
  }
  alarm.noLaterThan(
    earliest(
      rows.flatMap((row) => [
        deliveries.isSpawning(row.id) ? now + recoveryDelayMs : row.next_attempt_at,
        row.deadline_at,
        news.isTold(row) ? null : now + tellAgainMs,
      ]),
    ),
  );
  sendDue(ports, now);
  state.usage.flush(now);
  alarm.noLaterThan(state.usage.writeBy());
  ports.attempts.flushDue(now);
}

/** Starts the deliveries that are due: all that a change which touches no backend can have left to do. */
export function sendDue(ports: WorkPorts, now: number): void {
  const { state, deliveries, alarm } = ports;
  const waiting = state.sql.deliveries();
  for (const delivery of waiting) {
    if (isDue(delivery.next_attempt_at, now)) void send(ports, delivery);
  }
  // What is under way counts as due once its attempt cannot be running any more.
  alarm.noLaterThan(
    earliest(
      waiting.map((row) =>
        deliveries.isSending(row.id) ? now + recoveryDelayMs : Math.max(row.next_attempt_at, now + 1),
      ),
    ),
  );
}

async function send({ state, deliveries, news, alarm }: WorkPorts, delivery: DeliveryRow): Promise<void> {
  const ended = await deliveries.send(delivery);
  if (ended !== null && !(await news.tell(ended))) alarm.noLaterThan(Date.now() + tellAgainMs);
  const { backend } = delivery;
  alarm.noLaterThan(
    earliest([
      state.sql.delivery(delivery.id)?.next_attempt_at,
      backend === null ? null : state.sql.backend(backend)?.deadline_at,
    ]),
  );
}

/** When each environment was last spawned into, by the backends that are kept. */
function lastSpawns(rows: readonly { environment: string; created_at: number }[]): Map<string, number> {
  const last = new Map<string, number>();
  for (const { environment, created_at } of rows) {
    last.set(environment, Math.max(created_at, last.get(environment) ?? 0));
  }
  return last;
}

/** @returns whether a deadline had passed */
function applyDeadlines(
  { state }: WorkPorts,
  rows: readonly { id: string; deadline_at: number | null }[],
  now: number,
): boolean {
  const overdue = rows.filter(({ deadline_at }) => isDue(deadline_at, now));
  for (const { id } of overdue) {
    const row = state.sql.backend(id);
    if (row) applyDeadline(state, row, now);
  }
  return overdue.length > 0;
}

async function tell(ports: WorkPorts, backendId: string): Promise<void> {
  const told = await ports.news.tell(backendId);
  if (!told) ports.alarm.noLaterThan(Date.now() + tellAgainMs);
}

function isDue(at: number | null, now: number): boolean {
  return at !== null && at <= now;
}
