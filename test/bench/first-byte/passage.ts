/** What a connection to a new key waits for, in order. */
export const phases = ["decide", "deliver", "pull", "start", "ready", "proxy"] as const;
export type Phase = (typeof phases)[number];

/** When each phase of a connection ended, in milliseconds since the epoch, by the clock of one machine. */
export interface Passage extends Record<Phase, number> {
  /** The client sent its `connect`. */
  begin: number;
  /** The client had the answer to it, and sent its request to the backend's URL: while the agent pulls and starts. */
  answered: number;
}

/** How long each phase took, in milliseconds. Where the client's request was late, that counts as `proxy`. */
export function durationsOf(passage: Passage): Record<Phase, number> {
  return {
    decide: passage.decide - passage.begin,
    deliver: passage.deliver - passage.decide,
    pull: passage.pull - passage.deliver,
    start: passage.start - passage.pull,
    ready: passage.ready - passage.start,
    proxy: passage.proxy - passage.ready,
  };
}

/** From the `connect` to the first byte, in milliseconds. */
export function totalMs({ begin, proxy }: Passage): number {
  return proxy - begin;
}
