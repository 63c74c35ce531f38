/** Runs work once for all concurrent callers with the same key. */
export type SharedWork<T> = (
  key: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
) => Promise<T>;

interface Job<T> {
  result: Promise<T>;
  waiting: number;
  abandon: AbortController;
}

/** A caller whose signal is aborted stops waiting; the work is abandoned when no caller is left that waits for it. */
export function sharedWork<T>(): SharedWork<T> {
  const jobs = new Map<string, Job<T>>();

  function begin(key: string, work: (signal: AbortSignal) => Promise<T>): Job<T> {
    const abandon = new AbortController();
    const job = { result: work(abandon.signal), waiting: 0, abandon };
    jobs.set(key, job);
    const forget = () => {
      if (jobs.get(key) === job) jobs.delete(key);
    };
    job.result.then(forget, forget);
    return job;
  }

  return async (key, signal, work) => {
    signal.throwIfAborted();
    const job = jobs.get(key) ?? begin(key, work);
    job.waiting++;
    const left = Promise.withResolvers<never>();
    const leave = () => left.reject(signal.reason);
    signal.addEventListener("abort", leave);
    try {
      return await Promise.race([job.result, left.promise]);
    } finally {
      signal.removeEventListener("abort", leave);
      job.waiting--;
      if (job.waiting === 0) {
        if (jobs.get(key) === job) jobs.delete(key);
        job.abandon.abort();
      }
    }
  };
}
