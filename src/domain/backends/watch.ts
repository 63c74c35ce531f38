import { absentAfterMs, alarmLateMs, clusterLostAfterMs, watchEveryMs } from "../limits.ts";

/** For how long the control plane has watched a cluster's agents. Times in milliseconds since the epoch. */
export interface Watch {
  /** From when on their silence counts: their first heartbeat, or when the control plane came back from an absence. */
  from: number;
  /** When the control plane was last seen to run: it received a heartbeat, or its alarm rang. */
  presentAt: number;
}

/**
 * The watch as it stands at `now`: begun anew where the control plane was away, since what it could not hear nobody may be
 * held to. While agents are silent an alarm shows every `watchEveryMs` that it runs; without a sign of it for longer than
 * `absentAfterMs` it did not.
 */
export function watchAt(watch: Watch, now: number): Watch {
  return now - watch.presentAt > absentAfterMs ? { from: now, presentAt: now } : watch;
}

/** Whether it is time to note that the control plane runs, although nothing is heard from the agents. */
export function isPresenceDue({ presentAt }: Watch, now: number): boolean {
  return now - presentAt >= watchEveryMs;
}

/** When the object of a cluster with these agents has to wake: to note that it runs, and to judge who is silent by then. */
export function nextWatch(watch: Watch, agents: readonly { silentSince: number }[]): number | null {
  if (agents.length === 0) return null;
  return Math.min(
    watch.presentAt + watchEveryMs,
    ...agents.map(({ silentSince }) => silentSince + clusterLostAfterMs),
  );
}

/**
 * Until when a deadline is put off that passed while the control plane was away; null for one that is met in time. What
 * happened before it may still have to be reported: an agent gets as long for it as for its first heartbeat.
 * @param deadlineAt has passed, or passes at `now`
 */
export function putOffUntil(deadlineAt: number, now: number): number | null {
  return now - deadlineAt > alarmLateMs ? now + clusterLostAfterMs : null;
}
