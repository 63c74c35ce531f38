import { afterAll, beforeAll, beforeEach } from "vitest";
import { whyNotWith } from "./programs.ts";

/** What tests share: the programs that it needs and the machine may not have, and how it is started. */
export interface Shared {
  programs?: readonly string[];
  /** What is put on the stack is disposed of after the last test, also where this fails half-way. */
  start?(stack: AsyncDisposableStack): Promise<void>;
}

/**
 * Starts what the tests of a file, or of a `describe`, share: before the first of them, until after the last. Where a
 * program is missing the tests are skipped, with the reason.
 */
export function share({ programs = [], start }: Shared): void {
  const whyNot = whyNotWith(...programs);
  const stack = new AsyncDisposableStack();
  beforeAll(async () => {
    if (whyNot === null) await start?.(stack);
  });
  afterAll(() => stack.disposeAsync());
  if (whyNot !== null) beforeEach(({ skip }) => skip(whyNot));
}
