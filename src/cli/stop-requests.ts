const sameRequestWithinMs = 500;

/**
 * Sorts the signals that ask a process to stop. One that comes right after another is the same request: a Ctrl-C
 * reaches a process from the terminal and, under some shells, once more from npm, which passes it on.
 */
export class StopRequests {
  #lastAtMs: number | null = null;

  /**
   * @param nowMs on a monotonic clock
   * @returns `stop` for the first request, `leave` for one more: it is not to wait for anything any longer
   */
  ask(nowMs: number): "stop" | "same" | "leave" {
    const lastAtMs = this.#lastAtMs;
    if (lastAtMs !== null && nowMs - lastAtMs < sameRequestWithinMs) return "same";
    this.#lastAtMs = nowMs;
    return lastAtMs === null ? "stop" : "leave";
  }
}
