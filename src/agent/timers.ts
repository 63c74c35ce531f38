/** setTimeout fires at once for anything above this (a signed 32-bit number of milliseconds, 24.8 days). */
const longestTimeoutMs = 2 ** 31 - 1;

/** Runs `task` once after `ms`, however long that is. @returns what cancels it */
export function after(ms: number, task: () => void): () => void {
  let timer: NodeJS.Timeout;
  const arm = (remainingMs: number) => {
    const step = Math.min(remainingMs, longestTimeoutMs);
    timer = setTimeout(() => (remainingMs > step ? arm(remainingMs - step) : task()), step);
  };
  arm(ms);
  return () => clearTimeout(timer);
}

/** Resolves after `ms`, or at once when the signal is aborted. Never rejects. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = after(ms, done);
    signal.addEventListener("abort", done);
  });
}
