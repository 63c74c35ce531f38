/**
 * Often enough for proxies, which close idle connections after a minute or so. The Worker learns only from a failed
 * write that the client of an idle stream has left.
 */
const keepAliveEveryMs = 15_000;

/** An empty line, which every parser of server-sent events skips. Not all of them skip comments. */
const emptyLine = new TextEncoder().encode("\n");

/** A stream unread for so long is taken for abandoned: the body of an answer to HEAD, for one, is never read. */
const unreadAtMostMs = 300_000;

/**
 * A stream of server-sent events with an empty line added at intervals, so that it is cancelled soon after its client
 * has left. Each chunk of `events` must be whole events. While the client does not read, nothing is added and `events`
 * is not read either; after five minutes of that, both are ended.
 */
export function withKeepAlive(
  events: ReadableStream<Uint8Array>,
  everyMs: number = keepAliveEveryMs,
): ReadableStream<Uint8Array> {
  const reader = events.getReader();
  let timer: ReturnType<typeof setInterval>;
  let cancelled = false;
  let unreadMs = 0;
  const leave = (reason?: unknown) => {
    cancelled = true;
    clearInterval(timer);
    return reader.cancel(reason);
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      timer = setInterval(() => {
        if ((controller.desiredSize ?? 0) > 0) {
          unreadMs = 0;
          return controller.enqueue(emptyLine);
        }
        unreadMs += everyMs;
        if (unreadMs < unreadAtMostMs) return;
        controller.close();
        leave().catch(() => {});
      }, everyMs);
    },
    async pull(controller) {
      unreadMs = 0;
      try {
        const { done, value } = await reader.read();
        if (cancelled) return;
        if (!done) return controller.enqueue(value);
        clearInterval(timer);
        controller.close();
      } catch (error) {
        clearInterval(timer);
        throw error;
      }
    },
    cancel: leave,
  });
}
