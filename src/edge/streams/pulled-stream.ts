/** What a source gives at a time. */
export interface Step<T> {
  /** May be none: then the next step follows at once. */
  items: readonly T[];
  /** Nothing follows: the stream ends after these. */
  isLast?: boolean;
}

/** What a stream is made of: it gives something when there is a reader for it, and not before. */
export interface PullSource<T> {
  next(): Promise<Step<T>>;
  /**
   * Lets go of what the source reads from. It must make a `next` that is under way come to an end. Called when the
   * reader leaves, after the last step, and when `next` fails, since nobody cancels a stream that breaks off.
   */
  release?(reason?: unknown): unknown;
}

/** A stream that reads no further ahead than its reader: no step is taken before there is somebody to take it for. */
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
        // Nothing can be put into a stream that was cancelled.
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
