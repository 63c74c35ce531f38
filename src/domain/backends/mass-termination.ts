import { type BackendStatus, statusRank } from "./status.ts";

/** Which backends a mass termination means. */
export interface MeantBackends {
  hard: boolean;
  /** Only those that were created before, in milliseconds since the epoch; null: at any time. */
  createdBefore: number | null;
  /** Only those of these environments; null: of all. */
  environments: readonly string[] | null;
  /** Only those that are no newer. */
  lastFencingToken: number;
}

/** What decides whether a backend is meant. */
export interface MeantBackend {
  environment: string;
  fencing_token: number;
  created_at: number;
  status: BackendStatus;
}

/** Those of some backends that a mass termination means and that have not ended, in their order. */
export function meantAndLive<Backend extends MeantBackend>(
  backends: readonly Backend[],
  { createdBefore, environments, lastFencingToken }: MeantBackends,
): Backend[] {
  return backends.filter(
    ({ environment, fencing_token: token, created_at: createdAt, status }) =>
      status !== "terminated" &&
      token <= lastFencingToken &&
      (createdBefore === null || createdAt < createdBefore) &&
      (environments === null || environments.includes(environment)),
  );
}

/** Those of them that it has not begun to terminate. */
export function stillToTerminate<Backend extends MeantBackend>(
  backends: readonly Backend[],
  meant: MeantBackends,
): Backend[] {
  const begun = statusRank(meant.hard ? "hard-terminating" : "terminating");
  return meantAndLive(backends, meant).filter(({ status }) => statusRank(status) < begun);
}

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
