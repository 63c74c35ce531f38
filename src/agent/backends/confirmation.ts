import { untilAborted } from "./until-aborted.ts";

/**
 * Slipway's acknowledgement of a status of a start, without a request to end the backend in its answer. Some starts wait for
 * one: those of what has a key, and of what may have ended.
 */
export class Confirmation {
  readonly #given = Promise.withResolvers<void>();
  #isAwaited = false;

  /** Whether something is not done before it is given. */
  get isAwaited(): boolean {
    return this.#isAwaited;
  }

  /** From now on it is waited for. */
  require(): void {
    this.#isAwaited = true;
  }

  give(): void {
    this.#isAwaited = false;
    this.#given.resolve();
  }

  /** Resolves at once where it is not waited for, else when it is given or the signal is aborted. */
  async until(signal: AbortSignal): Promise<void> {
    if (this.#isAwaited) await untilAborted(this.#given.promise, signal);
  }
}
