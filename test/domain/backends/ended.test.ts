import fc from "fast-check";
import { expect, test } from "vitest";
import { forgetEndedAt } from "../../../src/domain/backends/ended.ts";
import {
  endedBackendsKeptMs,
  endedBacklogEveryMs,
  endedForgottenEveryMs,
} from "../../../src/domain/limits.ts";

const now = 5_000_000_000_000;

test("nothing that has ended needs no alarm", () => {
  expect(forgetEndedAt(null, now)).toBeNull();
});

test("what is due after a batch is forgotten a minute later, everything else an hour later at the soonest and never early", () => {
  const firstEnd = fc.integer({ min: now - 2 * endedBackendsKeptMs, max: now });
  fc.assert(
    fc.property(firstEnd, (at) => {
      const due = at + endedBackendsKeptMs;
      const next = forgetEndedAt(at, now) ?? 0;
      if (due <= now) expect(next - now).toBe(endedBacklogEveryMs);
      else expect(next).toBe(Math.max(due, now + endedForgottenEveryMs));
    }),
  );
});

test.for([
  [0, endedBacklogEveryMs],
  [-1, endedBacklogEveryMs],
  [1, endedForgottenEveryMs],
  [endedForgottenEveryMs, endedForgottenEveryMs],
  [endedForgottenEveryMs + 1, endedForgottenEveryMs + 1],
])("what is due in %i ms is forgotten in %i ms", ([dueIn = 0, nextIn = 0]) => {
  expect(forgetEndedAt(now + dueIn - endedBackendsKeptMs, now)).toBe(now + nextIn);
});
