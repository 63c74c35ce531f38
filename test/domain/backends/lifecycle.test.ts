import { describe, expect, test } from "vitest";
import { type LifecycleSnapshot, nextDeadline } from "../../../src/domain/backends/lifecycle.ts";
import { backendStatuses } from "../../../src/domain/backends/status.ts";

const createdAt = 1_000_000;
const statusAt = 1_060_000;

function backend(extra: Partial<LifecycleSnapshot>): LifecycleSnapshot {
  return { status: "ready", createdAt, statusAt, startupTimeoutSeconds: 300, ...extra };
}

describe("Slipway's own deadlines for a backend", () => {
  test.for(["scheduled", "loading", "starting", "waiting"] as const)(
    "while %s, the startup timeout runs from the decision, with 12 s for its cluster to say how it went",
    (status) => {
      expect(nextDeadline(backend({ status, startupTimeoutSeconds: 20, lifetimeLimitSeconds: 35 }))).toEqual({
        at: createdAt + 20_000 + 12_000,
        overdue: "startup",
      });
    },
  );

  test("a ready backend without a lifetime has none", () => {
    expect(nextDeadline(backend({ status: "ready" }))).toBeNull();
  });

  test.for(["scheduled", "loading", "starting", "waiting", "ready"] as const)(
    "while %s, a lifetime runs from the decision, with 30 s for its cluster to sweep it",
    (status) => {
      expect(nextDeadline(backend({ status, lifetimeLimitSeconds: 120 }))).toEqual({
        at: createdAt + 120_000 + 30_000,
        overdue: "lifetime",
      });
    },
  );

  test("a soft end has its 30 s of grace and 30 s to be reported before it is made hard", () => {
    expect(nextDeadline(backend({ status: "terminating", lifetimeLimitSeconds: 1 }))).toEqual({
      at: statusAt + 60_000,
      overdue: "soft_termination",
    });
  });

  test("a hard end has 30 s to be reported before it is taken as ended", () => {
    expect(nextDeadline(backend({ status: "hard-terminating" }))).toEqual({
      at: statusAt + 30_000,
      overdue: "hard_termination",
    });
  });

  test("an ended backend has none", () => {
    expect(nextDeadline(backend({ status: "terminated", lifetimeLimitSeconds: 60 }))).toBeNull();
  });

  test("with a lifetime, every status but the last leads to an end", () => {
    const endless = backendStatuses.filter(
      (status) => nextDeadline(backend({ status, lifetimeLimitSeconds: 60 })) === null,
    );
    expect(endless).toEqual(["terminated"]);
  });
});
