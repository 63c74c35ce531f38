import { describe, expect, test, vi } from "vitest";
import { withKeepAlive } from "../../../src/edge/streams/keep-alive.ts";

const encoder = new TextEncoder();

/** A stream of events that a test feeds. */
function source() {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>(undefined, undefined, {
    highWaterMark: 0,
  });
  const writer = writable.getWriter();
  return {
    events: readable,
    write: (event: string) => writer.write(encoder.encode(event)),
    close: () => writer.close(),
    abort: (reason: Error) => writer.abort(reason),
    /** Resolves when the stream was cancelled. */
    cancelled: writer.closed.catch((reason: unknown) => reason),
  };
}

function textReader(stream: ReadableStream<Uint8Array>) {
  const reader = stream.getReader();
  const next = async () => {
    const { done, value } = await reader.read();
    return done ? null : new TextDecoder().decode(value);
  };
  return { next, leave: (reason: unknown) => reader.cancel(reason) };
}

const anHourMs = 3_600_000;

describe("a stream that is kept alive", () => {
  test("carries each event as it was, and ends where it ended", async () => {
    const { events, write, close } = source();
    const { next } = textReader(withKeepAlive(events, anHourMs));
    void write("data: 1\n\n");
    expect(await next()).toBe("data: 1\n\n");
    void write("data: 2\n\n");
    expect(await next()).toBe("data: 2\n\n");
    void close();
    expect(await next()).toBeNull();
  });

  test("carries empty lines while nothing comes, and events again after them", async () => {
    const { events, write } = source();
    const { next } = textReader(withKeepAlive(events, 1));
    expect([await next(), await next()]).toEqual(["\n", "\n"]);
    void write("data: 1\n\n");
    await vi.waitFor(async () => expect(await next()).toBe("data: 1\n\n"), { interval: 0 });
  });

  test("is cancelled with the reason why its reader left, and writes no more", async () => {
    const { events, cancelled } = source();
    const { next, leave } = textReader(withKeepAlive(events, 1));
    expect(await next()).toBe("\n");
    await leave("left");
    expect(await cancelled).toBe("left");
    expect(await next()).toBeNull();
  });

  test("breaks where its source breaks", async () => {
    const { events, abort } = source();
    const { next } = textReader(withKeepAlive(events, anHourMs));
    void abort(new Error("broken"));
    await expect(next()).rejects.toThrow("broken");
  });

  test("adds nothing while nobody reads, and reads no more than one event ahead", async () => {
    let made = 0;
    const endless = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          made += 1;
          controller.enqueue(encoder.encode(`data: ${made}\n\n`));
        },
      },
      { highWaterMark: 0 },
    );
    const unread = textReader(withKeepAlive(endless, 1));
    const clock = textReader(withKeepAlive(source().events, 1));
    for (let ticks = 0; ticks < 20; ticks++) await clock.next();
    const read: (string | null)[] = [];
    for (let reads = 0; reads < 10; reads++) read.push(await unread.next());
    // Of what is read without a pause, an empty line may come before each event, but not two.
    const events = read.filter((text) => text !== "\n");
    expect(events.length).toBeGreaterThanOrEqual(4);
    expect(events).toEqual(events.map((_, i) => `data: ${i + 1}\n\n`));
    expect(made).toBeLessThanOrEqual(events.length + 2);
    await Promise.all([unread.leave("done"), clock.leave("done")]);
  });
});
