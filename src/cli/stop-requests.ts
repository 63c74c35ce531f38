const sameRequestWithinMs = 500;

/**
 * Sorts the signals that request a process to stop. One that is received right after another is the same request: a
 * Ctrl-C reaches a process from the terminal and, under some shells, once more from npm, which forwards it.
 */
export class StopRequests {
  #lastAtMs: number | null = null;

  /**
   * @param nowMs on a monotonic clock
   * @returns `stop` for the first request, `same` for a repetition of it, `leave` for another: to exit at once
   */
  receive(nowMs: number): "stop" | "same" | "leave" {
    const lastAtMs = this.#lastAtMs;
    if (lastAtMs !== null && nowMs - lastAtMs < sameRequestWithinMs) return "same";
    this.#lastAtMs = nowMs;
    return lastAtMs === null ? "stop" : "leave";
  }
}
