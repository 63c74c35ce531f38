/** Requests that wait for a backend's end. */
export class Waiters {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Wakes those who wait for a backend that has ended. */
  ended(backendId: string): void {
    for (const wake of this.#waiting.get(backendId) ?? []) wake();
  }

  /** @returns whether the backend ended within `timeoutMs` */
  untilEnded(backendId: string, timeoutMs: number, holdsOn: () => boolean): Promise<boolean> {
    if (!holdsOn()) return Promise.resolve(true);
    if (timeoutMs <= 0) return Promise.resolve(false);
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(backendId) ?? new Set();
      this.#waiting.set(backendId, waiting);
      const finish = (ended: boolean) => {
        clearTimeout(timer);
        waiting.delete(wake);
        if (waiting.size === 0) this.#waiting.delete(backendId);
        resolve(ended);
      };
      const wake = () => finish(true);
      const timer = setTimeout(() => finish(false), timeoutMs);
      waiting.add(wake);
    });
  }
}
