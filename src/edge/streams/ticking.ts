/**
 * News, and a null whenever there were none for a while: for what changes without being told. It ends as the news do,
 * and cancelling it cancels them.
 * @param everyMs how long a reader waits at most
 */
export function ticking<T>(news: ReadableStream<T>, everyMs: number): ReadableStream<T | null> {
  const reader = news.getReader();
  let reading: ReturnType<typeof reader.read> | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let isCancelled = false;

  return new ReadableStream<T | null>(
    {
      async pull(controller) {
        reading ??= reader.read();
        const tick = new Promise<null>((resolve) => {
          timer = setTimeout(() => resolve(null), everyMs);
        });
        const met = await Promise.race([reading, tick]);
        clearTimeout(timer);
        if (isCancelled) return;
        if (met === null) return controller.enqueue(null);
        reading = null;
        if (met.done) controller.close();
        else controller.enqueue(met.value);
      },
      async cancel(reason) {
        isCancelled = true;
        clearTimeout(timer);
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
