import { describe, expect, test } from "vitest";
import { ticking } from "../../../src/edge/streams/ticking.ts";

const never = 2 ** 30;

describe("ticking changes", () => {
  test("pass the changes on, in their order, and end with them", async () => {
    const changes = new ReadableStream<string>({
      start(controller) {
        for (const each of ["a", "b"]) controller.enqueue(each);
        controller.close();
      },
    });
    const reader = ticking(changes, never).getReader();
    expect([await reader.read(), await reader.read()].map(({ value }) => value)).toEqual(["a", "b"]);
    expect((await reader.read()).done).toBe(true);
  });

  test("say null again and again while there are none, and lose none that come then", async () => {
    const { readable, writable } = new TransformStream<string, string>();
    const reader = ticking(readable, 1).getReader();
    expect([(await reader.read()).value, (await reader.read()).value]).toEqual([null, null]);
    const writing = writable.getWriter().write("late");
    let value: string | null | undefined = null;
    while (value === null) value = (await reader.read()).value;
    expect(value).toBe("late");
    await writing;
    await reader.cancel();
  });

  test("that are cancelled while they are waited for cancel the changes and end", async () => {
    let cancelled: unknown;
    const silent = new ReadableStream<string>({
      cancel(reason) {
        cancelled = reason;
      },
    });
    const reader = ticking(silent, never).getReader();
    const reading = reader.read();
    await reader.cancel("nobody looks");
    expect((await reading).done).toBe(true);
    expect(cancelled).toBe("nobody looks");
  });
});
