/**
 * What shows that the backends of a silent cluster do not run any more, so that their keys may be held elsewhere.
 *
 * - `lease`: time. Whoever runs them ends those that hold keys when its lease has run out.
 * - `proof`: nothing but their end itself: its report, a termination that is answered with 404, a list of the agent that
 *   ran them. Until then, or until a person releases it, such a key is held.
 */
export const fences = ["lease", "proof"] as const;
/** One of these. */
export type Fence = (typeof fences)[number];

/** Whether a backend may be taken for ended that has not been seen to end: where it holds no key, or time has ended it. */
export function endsUnseen({ key }: { key: string | null }, fence: Fence): boolean {
  return key === null || fence === "lease";
}

/**
 * The fence of a cluster: proof while one of its agents needs it, also one that is gone and may have left backends behind.
 * @param gone the agents that needed proof when they were last heard, and have not come back since
 */
export function clusterFence(agents: readonly { fence: Fence }[], gone: readonly string[]): Fence {
  return gone.length > 0 || agents.some(({ fence }) => fence === "proof") ? "proof" : "lease";
}
