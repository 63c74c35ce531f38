import fc from "fast-check";
import { expect, test } from "vitest";
import { nextSweepAt } from "../../src/domain/expiry.ts";
import { expiredForgottenEveryMs } from "../../src/domain/limits.ts";

const now = 5_000_000_000_000;

test("where nothing is kept for a time nothing wakes", () => {
  expect(nextSweepAt(null, now)).toBeNull();
});

test("what is due after a batch is deleted soon, everything else some hours later at the soonest, and never early", () => {
  fc.assert(
    fc.property(fc.integer({ min: now - 1e9, max: now + 1e9 }), (due) => {
      const next = nextSweepAt(due, now) ?? 0;
      if (due <= now) expect(next - now).toBeLessThanOrEqual(10_000);
      else expect(next).toBe(Math.max(due, now + expiredForgottenEveryMs));
    }),
  );
});
