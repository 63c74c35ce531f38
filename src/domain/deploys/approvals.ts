import { changeOpenMs } from "../limits.ts";

/** What became of a change that waits for approval. */
export const changeStates = ["open", "executed", "rejected", "withdrawn", "expired", "overtaken"] as const;
/** One of these. */
export type ChangeState = (typeof changeStates)[number];

/** A change as far as its state depends on the time, and on its environment. */
export interface OpenChange {
  state: ChangeState;
  /** The environment's revision that it is to replace. */
  revision: number;
  /** When it was requested, in milliseconds since the epoch. */
  at: number;
}

/**
 * The state of a change now: one that is open is over a day after it was requested, and where its environment was changed since.
 * @param revision of the environment now; null where it is gone
 */
export function changeState(
  { state, revision: expected, at }: OpenChange,
  revision: number | null,
  now: number,
): ChangeState {
  if (state !== "open") return state;
  if (revision !== expected) return "overtaken";
  return now >= changeOpenMs + at ? "expired" : "open";
}
