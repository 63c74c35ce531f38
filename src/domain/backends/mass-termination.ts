/** A live backend that is still to be terminated. */
export interface Candidate {
  id: string;
  cluster: string;
}

/**
 * Which backends a mass termination goes on with: for each cluster as many as keep its deliveries at `atOnce`, so that a
 * cluster which does not answer piles none up, and holds up no other.
 * @param candidates in the order in which they are to be terminated
 * @param pending how many deliveries each cluster has to receive
 * @example nextToTerminate([{ id: "a", cluster: "main" }], new Map([["main", 100]]), 100) // []
 */
export function nextToTerminate(
  candidates: readonly Candidate[],
  pending: ReadonlyMap<string, number>,
  atOnce: number,
): string[] {
  const counts = new Map(pending);
  return candidates.flatMap(({ id, cluster }) => {
    const count = counts.get(cluster) ?? 0;
    if (count >= atOnce) return [];
    counts.set(cluster, count + 1);
    return [id];
  });
}
