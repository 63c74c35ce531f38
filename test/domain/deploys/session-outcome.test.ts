import { describe, expect, test } from "vitest";
import { backendStatuses, terminationReasons } from "../../../src/domain/backends/status.ts";
import { sessionOutcome } from "../../../src/domain/deploys/session-outcome.ts";
import { crashWithinMs } from "../../../src/domain/limits.ts";

const beforeReady = ["scheduled", "loading", "starting", "waiting"] as const;

describe("a session", () => {
  test.each(beforeReady)("that was %s becomes ready", (status) => {
    expect(sessionOutcome({ status, status_at: 0 }, { status: "ready", time: 5 })).toEqual({
      outcome: "ready",
    });
    expect(sessionOutcome({ status, status_at: 0 }, { status: "waiting", time: 5 })).toBe(null);
  });

  test.each([
    [undefined, "exited"],
    ["startuptimeout", "startup_timeout"],
    ["internalerror", "internal_error"],
  ] as const)("that ends before it is ready for the reason %s has failed: %s", (reason, kind) => {
    for (const status of beforeReady) {
      for (const end of ["terminating", "hard-terminating", "terminated"] as const) {
        const step = { status: end, time: 5, termination_reason: reason, exit_code: 0 };
        expect(sessionOutcome({ status, status_at: 0 }, step)).toEqual({ outcome: "failed", kind });
      }
    }
  });

  test("for whose end the image cannot be blamed has no outcome", () => {
    const blameless = terminationReasons.filter((reason) => !/startup|internal/.test(reason));
    expect(blameless).toEqual(["swept", "external", "keyexpired", "lost"]);
    for (const termination_reason of blameless) {
      const step = { status: "terminated", time: 5, termination_reason } as const;
      expect(sessionOutcome({ status: "waiting", status_at: 0 }, step)).toBe(null);
      expect(sessionOutcome({ status: "ready", status_at: 0 }, step)).toBe(null);
    }
  });

  const ready = { status: "ready", status_at: 1_000 } as const;

  test.each([
    [crashWithinMs, undefined, undefined, true],
    [crashWithinMs + 1, undefined, undefined, false],
    [1, 1, undefined, true],
    [1, 0, undefined, false],
    [1, 0, "internalerror", true],
    [crashWithinMs + 1, 1, "internalerror", false],
  ] as const)(
    "that was ready and ends %d ms later with exit code %s, reason %s: crashed is %s",
    (after, exit_code, reason, crashed) => {
      const step = {
        status: "terminated",
        time: 1_000 + after,
        termination_reason: reason,
        exit_code,
      } as const;
      expect(sessionOutcome(ready, step)).toEqual(crashed ? { outcome: "crashed" } : null);
    },
  );

  test("that is ending has had its outcome, and so has one that only begins to end", () => {
    for (const status of backendStatuses.slice(backendStatuses.indexOf("terminating"))) {
      expect(sessionOutcome({ status, status_at: 0 }, { status: "terminated", time: 1 })).toBe(null);
    }
    expect(sessionOutcome(ready, { status: "terminating", time: 1_001 })).toBe(null);
    expect(sessionOutcome(ready, { status: "hard-terminating", time: 1_001 })).toBe(null);
  });
});
