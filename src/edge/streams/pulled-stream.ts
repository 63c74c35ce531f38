/** What one call of a source's `next` yields. */
export interface Step<T> {
  /** May be empty: then the next step is taken at once. */
  items: readonly T[];
  /** Nothing follows: the stream ends after these. */
  isLast?: boolean;
}

/** The source of a pulled stream: `next` is called only while a reader is waiting. */
export interface PullSource<T> {
  next(): Promise<Step<T>>;
  /**
   * Releases what the source reads from, and makes a pending `next` settle. Called when the reader cancels, after the
   * last step, and when `next` fails, since a stream that has errored is not cancelled.
   */
  release?(reason?: unknown): unknown;
}

/** A stream without read-ahead: no step is taken before its reader waits for one. */
export function pulledStream<T>(source: PullSource<T>): ReadableStream<T> {
  let hasLeft = false;

  async function nextStep(): Promise<Step<T>> {
    for (;;) {
      const step = await source.next();
      if (hasLeft || step.isLast || step.items.length > 0) return step;
    }
  }

  return new ReadableStream<T>(
    {
      async pull(controller) {
        const step = await nextStep().catch(async (error: unknown) => {
          if (!hasLeft) await Promise.resolve(source.release?.(error)).catch(() => {});
          throw error;
        });
        // Nothing can be enqueued into a cancelled stream.
        if (hasLeft) return;
        for (const item of step.items) controller.enqueue(item);
        if (!step.isLast) return;
        controller.close();
        await source.release?.();
      },
      async cancel(reason) {
        hasLeft = true;
        await source.release?.(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
