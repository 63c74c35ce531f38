import { pulledStream } from "./pulled-stream.ts";

/**
 * Passes changes on, with a null whenever there were none for `everyMs`: for state that changes without an event. It
 * ends as the changes do, and cancelling it cancels them.
 */
export function ticking<T>(changes: ReadableStream<T>, everyMs: number): ReadableStream<T | null> {
  const reader = changes.getReader();
  let reading: ReturnType<typeof reader.read> | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;

  return pulledStream<T | null>({
    async next() {
      reading ??= reader.read();
      const tick = new Promise<null>((resolve) => {
        timer = setTimeout(() => resolve(null), everyMs);
      });
      const first = await Promise.race([reading, tick]);
      clearTimeout(timer);
      if (first === null) return { items: [null] };
      reading = null;
      return first.done ? { items: [], isLast: true } : { items: [first.value] };
    },
    release(reason) {
      clearTimeout(timer);
      return reader.cancel(reason);
    },
  });
}
