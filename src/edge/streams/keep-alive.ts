/**
 * Often enough for proxies, which give up idle connections after a minute or so. Only a write
 * that fails shows the Worker that the client of an idle stream has left.
 */
const keepAliveEveryMs = 15_000;

/** An empty line, which every reader of server-sent events passes over. Comments are not known to all of them. */
const emptyLine = new TextEncoder().encode("\n");

/** When nothing was read for so long, nobody will: the body of an answer to HEAD, for one, is never read. */
const unreadAtMostMs = 300_000;

/**
 * The same stream of server-sent events with an empty line in between at intervals, so that it is cancelled soon
 * after its client has left. Each chunk of `events` must be whole events. While the client does not read, nothing is
 * added and `events` is not read any further; after five minutes of that, both are ended.
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
