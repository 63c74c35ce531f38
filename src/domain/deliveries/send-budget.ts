import {
  slowAnswerMs,
  webhooksAtOnce,
  webhooksAtOnceToSlow,
  webhooksAtOnceToSlowTogether,
} from "../limits.ts";

/** How a cluster has answered what it was sent last. */
export type Promptness =
  /** Nothing is known of it, or it took long. */
  | "unproven"
  /** It answered within `slowAnswerMs`, whatever it said. */
  | "prompt"
  /** It did not answer in time. */
  | "timed_out";

/** What one cluster is sent. */
export interface ClusterLoad {
  promptness: Promptness;
  /** When each webhook was sent whose answer has not begun, in milliseconds since the epoch. */
  sentAt: readonly number[];
}

/**
 * Whether an object may send a cluster one more webhook. The platform lets six connections of an object wait for an
 * answer to begin, so that the seventh waits for a cluster which is not its own:
 *
 * - at most `webhooksAtOnce` are under way in all;
 * - a cluster that did not answer in time has one at a time, until one gets through;
 * - where there are others, a prompt cluster leaves one to them. One that is slow, or may be, has at most
 *   `webhooksAtOnceToSlow`, and all of those together `webhooksAtOnceToSlowTogether`, but for the first webhook of each.
 * @param loads of all clusters that are sent something, this one among them
 * @param hasOthers whether other clusters may have to be sent something
 * @param now milliseconds since the epoch
 */
export function maySend(
  load: ClusterLoad,
  loads: Iterable<ClusterLoad>,
  hasOthers: boolean,
  now: number,
): boolean {
  const sent = load.sentAt.length;
  let total = 0;
  let slow = 0;
  for (const each of loads) {
    total += each.sentAt.length;
    if (isSlow(each, now)) slow += each.sentAt.length;
  }
  if (total >= webhooksAtOnce) return false;
  if (load.promptness === "timed_out") return sent === 0 && slow < webhooksAtOnceToSlowTogether;
  if (sent === 0 || !hasOthers) return true;
  if (!isSlow(load, now)) return sent < webhooksAtOnce - 1;
  return sent < webhooksAtOnceToSlow && slow < webhooksAtOnceToSlowTogether;
}

function isSlow({ promptness, sentAt }: ClusterLoad, now: number): boolean {
  return promptness !== "prompt" || sentAt.some((at) => now - at >= slowAnswerMs);
}

/** What an answer says of its cluster. @param waitedMs until it began; null where it never did */
export function promptnessOf(waitedMs: number | null): Promptness {
  if (waitedMs === null) return "timed_out";
  return waitedMs < slowAnswerMs ? "prompt" : "unproven";
}
