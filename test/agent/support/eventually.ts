import { expect } from "vitest";

/** Polls until an expectation holds. The bound only says when to give up: nothing is measured by it. */
export function eventually<T>(read: () => T) {
  return expect.poll(read, { timeout: 20_000, interval: 5 });
}
