/** Who is at an image: either those that use it, or who removes it. */
export class ImageUses {
  readonly #using = new Map<string, number>();
  readonly #removals = new Map<string, Promise<unknown>>();

  /** What is being used. */
  names(): Iterable<string> {
    return this.#using.keys();
  }

  /** By how many an image is being used. */
  count(name: string): number {
    return this.#using.get(name) ?? 0;
  }

  /** Does what must not meet a removal of the image: it is not removed meanwhile, and one that has begun is waited for. */
  async use<T>(name: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    this.#using.set(name, this.count(name) + 1);
    try {
      const removal = this.#removals.get(name);
      if (removal) await until(removal, signal);
      return await work();
    } finally {
      const left = this.count(name) - 1;
      if (left === 0) this.#using.delete(name);
      else this.#using.set(name, left);
    }
  }

  /** Removes an image, unless it is being used. One at a time. @returns whether it was removed */
  async remove(name: string, work: () => Promise<boolean>): Promise<boolean> {
    if (this.count(name) > 0) return false;
    const removal = work();
    this.#removals.set(name, removal);
    try {
      return await removal;
    } finally {
      this.#removals.delete(name);
    }
  }
}

/** Resolves when a removal is over, however it ended. Rejects as soon as the signal is aborted. */
async function until(removal: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", abort);
  try {
    await Promise.race([Promise.allSettled([removal]), aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
