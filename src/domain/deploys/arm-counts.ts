/** How a session fails before it is ready. */
export const failureKinds = [
  /** It was not ready in time. */
  "startup_timeout",
  /** Slipway or its cluster could not run it. */
  "internal_error",
  /** It ended by itself. */
  "exited",
] as const;
/** One of these. */
export type FailureKind = (typeof failureKinds)[number];

/**
 * What became of the sessions of one arm: of an environment's base or of its canary, on one digest. Each is counted by its
 * birth and not by the requests that it served. What has neither become ready nor failed has no outcome yet.
 */
export interface ArmCounts {
  started: number;
  /** Of those, how many became ready, whatever became of them afterwards. */
  ready: number;
  /** Of those, how many failed before they were ready. */
  failed: Readonly<Partial<Record<FailureKind, number>>>;
  /** Of those that became ready, how many crashed soon after. */
  crashed: number;
}

/** An arm without a session. */
export const noCounts: ArmCounts = { started: 0, ready: 0, failed: {}, crashed: 0 };

/** The counts of two parts of an arm together. */
export function addCounts(a: ArmCounts, b: ArmCounts): ArmCounts {
  const failed: Partial<Record<FailureKind, number>> = {};
  for (const kind of failureKinds) {
    const count = (a.failed[kind] ?? 0) + (b.failed[kind] ?? 0);
    if (count > 0) failed[kind] = count;
  }
  return {
    started: a.started + b.started,
    ready: a.ready + b.ready,
    failed,
    crashed: a.crashed + b.crashed,
  };
}

/** How many of an arm's sessions have an outcome: they became ready, or failed before. */
export function samplesOf({ ready, failed }: Pick<ArmCounts, "ready" | "failed">): number {
  return ready + failedBeforeReady(failed);
}

/**
 * How many of the samples went wrong: they failed before they were ready, or crashed soon after. At most as many as there are
 * samples: a crash is counted at once and what became ready may be counted later, or be lost.
 */
export function failuresOf(counts: Pick<ArmCounts, "ready" | "failed" | "crashed">): number {
  return failedBeforeReady(counts.failed) + Math.min(counts.crashed, counts.ready);
}

/**
 * The share of the samples that went wrong, from 0 to 1; 0 where nothing is counted. What is lost of those that became ready
 * makes it greater, never less.
 * @example failedShareOf({ ready: 6, failed: { exited: 2 }, crashed: 1 }) // 3 / 8
 */
export function failedShareOf(counts: Pick<ArmCounts, "ready" | "failed" | "crashed">): number {
  const samples = samplesOf(counts);
  if (samples === 0) return counts.crashed > 0 ? 1 : 0;
  return failuresOf(counts) / samples;
}

function failedBeforeReady(failed: ArmCounts["failed"]): number {
  return failureKinds.reduce((total, kind) => total + (failed[kind] ?? 0), 0);
}
