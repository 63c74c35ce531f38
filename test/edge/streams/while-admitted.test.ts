import { describe, expect, test } from "vitest";
import { eventsWhileAdmitted, whileAdmitted } from "../../../src/edge/streams/while-admitted.ts";

/** Chunks that a test hands over one by one, and whether their reader has left. */
function source() {
  let isCancelled = false;
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const chunks = new ReadableStream<Uint8Array>({
    start(given) {
      controller = given;
    },
    cancel() {
      isCancelled = true;
    },
  });
  return {
    chunks,
    write: (text: string) => controller?.enqueue(new TextEncoder().encode(text)),
    isCancelled: () => isCancelled,
  };
}

async function next(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string | null> {
  const { done, value } = await reader.read();
  return done ? null : new TextDecoder().decode(value);
}

describe("a stream for whoever is admitted", () => {
  test("ends before the first chunk that its reader may not have, although that was there before", async () => {
    const { chunks, write, isCancelled } = source();
    let isAdmitted = true;
    const reader = whileAdmitted(chunks, async () => isAdmitted).getReader();
    write("one");
    write("two");
    expect(await next(reader)).toBe("one");
    isAdmitted = false;
    expect(await next(reader)).toBeNull();
    expect(isCancelled()).toBe(true);
  });

  test("ends where it cannot be found out now whether they are, and breaks at a bug", async () => {
    const restarting = Object.assign(new Error("restarting"), { retryable: true });
    for (const [error, ends] of [[restarting, true] as const, [new TypeError("a bug"), false] as const]) {
      const { chunks, write, isCancelled } = source();
      const reader = whileAdmitted(chunks, () => Promise.reject(error)).getReader();
      write("one");
      if (ends) expect(await next(reader)).toBeNull();
      else await expect(next(reader)).rejects.toThrow("a bug");
      expect(isCancelled()).toBe(true);
    }
  });

  test("of events is kept alive while they are, and ends at a keep-alive where they are not", async () => {
    const { chunks, isCancelled } = source();
    let isAdmitted = true;
    const response = eventsWhileAdmitted(chunks, async () => isAdmitted, 1);
    const reader = response.body?.getReader() ?? expect.fail();
    expect([await next(reader), await next(reader)]).toEqual(["\n", "\n"]);
    isAdmitted = false;
    expect(await next(reader)).toBeNull();
    expect(isCancelled()).toBe(true);
  });
});
