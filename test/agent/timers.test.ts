import { expect, onTestFinished, test, vi } from "vitest";
import { after } from "../../src/agent/timers.ts";

test("a wait of more than 24.8 days does not end at once", () => {
  vi.useFakeTimers();
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const dayMs = 24 * 3600 * 1000;
  const task = vi.fn();
  after(60 * dayMs, task);
  vi.advanceTimersByTime(60 * dayMs - 1);
  expect(task).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(task).toHaveBeenCalledOnce();
});

test("a cancelled wait never ends, however often it was renewed", () => {
  vi.useFakeTimers();
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const dayMs = 24 * 3600 * 1000;
  const task = vi.fn();
  const cancel = after(60 * dayMs, task);
  vi.advanceTimersByTime(59 * dayMs);
  cancel();
  vi.advanceTimersByTime(60 * dayMs);
  expect(task).not.toHaveBeenCalled();
});
