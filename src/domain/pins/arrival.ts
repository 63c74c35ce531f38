/**
 * Where a push stands among those of its registry: when it says that the push happened, in milliseconds since the epoch.
 * It is an order and no time: it is compared with others of the same registry only.
 */
export interface PushOrder {
  /** Where the registry says that the image is; null where it does not. */
  repository: string | null;
  at: number;
}

/**
 * The order of a push that has just arrived. None can have happened after its arrival: one whose registry says so, by a
 * clock that is ahead, holds a tag no longer than until the next one arrives.
 */
export function orderOnArrival(order: PushOrder, now: number): PushOrder {
  return { ...order, at: Math.min(order.at, now) };
}

/**
 * Whether a push arrives after one that happened later: then it does not move their tag. A tag moves to what arrives,
 * unless one registry says of both in which order they were.
 * @param current of the push that the tag stands on; null where it has none
 * @example isLate(null, current) // false
 */
export function isLate(order: PushOrder | null, current: PushOrder | null): boolean {
  return (
    order !== null && current !== null && order.repository === current.repository && order.at < current.at
  );
}
