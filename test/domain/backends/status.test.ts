import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type BackendStatus,
  backendStatuses,
  isConnectable,
  nextEntry,
  type StatusEntry,
  type StatusReport,
  statusRank,
  terminationKinds,
  terminationReasons,
} from "../../../src/domain/backends/status.ts";

const at = (status: BackendStatus, extra: Partial<StatusEntry> = {}): StatusEntry => ({
  status,
  time: 100,
  ...extra,
});

describe("the order of statuses", () => {
  test("is the life of a backend", () => {
    expect(backendStatuses).toEqual([
      "scheduled",
      "loading",
      "starting",
      "waiting",
      "ready",
      "terminating",
      "hard-terminating",
      "terminated",
    ]);
  });

  test.for(backendStatuses)("%s can be handed out only before the end has begun", (status) => {
    const ending = ["terminating", "hard-terminating", "terminated"].includes(status);
    expect(isConnectable(status)).toBe(!ending);
  });

  const pairs = backendStatuses.flatMap((from) => backendStatuses.map((to) => ({ from, to })));
  test.for(pairs)("after $from a report of $to is taken only if it lies ahead", ({ from, to }) => {
    const entry = nextEntry([at(from)], { status: to }, 200);
    if (backendStatuses.indexOf(to) > backendStatuses.indexOf(from)) {
      expect(entry).toMatchObject({ status: to, time: 200 });
    } else {
      expect(entry).toBeNull();
    }
  });
});

describe("what an entry carries", () => {
  test.for(["scheduled", "ready"] as const)("%s carries nothing about an end", (status) => {
    const report: StatusReport = {
      status,
      termination_reason: "external",
      termination_kind: "hard",
      exit_code: 1,
    };
    expect(nextEntry([], report, 5)).toEqual({ status, time: 5 });
  });

  test("terminating carries the reason, and no exit code or kind yet", () => {
    const report: StatusReport = {
      status: "terminating",
      termination_reason: "swept",
      termination_kind: "soft",
      exit_code: 0,
    };
    expect(nextEntry([at("ready")], report, 200)).toEqual({
      status: "terminating",
      time: 200,
      termination_reason: "swept",
    });
  });

  test("a reason given once is carried to the later steps of the same end", () => {
    const history = [at("ready"), at("terminating", { termination_reason: "keyexpired" })];
    expect(nextEntry(history, { status: "terminated" }, 200)).toEqual({
      status: "terminated",
      time: 200,
      termination_reason: "keyexpired",
      last_status: "ready",
    });
  });

  test("an end that went through hard-terminating was hard, unless the report knows better", () => {
    const history = [at("ready"), at("hard-terminating")];
    expect(nextEntry(history, { status: "terminated" }, 200)).toMatchObject({ termination_kind: "hard" });
    expect(nextEntry(history, { status: "terminated", termination_kind: "soft" }, 200)).toMatchObject({
      termination_kind: "soft",
    });
  });

  test("an end of unknown kind has none", () => {
    expect(nextEntry([at("ready"), at("terminating")], { status: "terminated" }, 200)).not.toHaveProperty(
      "termination_kind",
    );
  });

  test.for([0, 1, 137, -1])("the end carries the exit code %i", (exit_code) => {
    expect(nextEntry([at("ready")], { status: "terminated", exit_code }, 200)).toMatchObject({ exit_code });
  });

  test.for(["scheduled", "loading", "starting", "waiting", "ready"] as const)(
    "the end remembers that the backend last lived as %s",
    (status) => {
      const history = [at("scheduled"), at(status), at("terminating"), at("hard-terminating")];
      expect(nextEntry(history, { status: "terminated" }, 200)).toMatchObject({ last_status: status });
    },
  );

  test("an end that nothing came before has lived as scheduled", () => {
    expect(nextEntry([], { status: "terminated" }, 200)).toMatchObject({ last_status: "scheduled" });
  });

  test("a clock that was set back does not make history run backwards", () => {
    expect(nextEntry([at("ready", { time: 500 })], { status: "terminated" }, 400)).toMatchObject({
      time: 501,
    });
  });

  test("two steps in the same millisecond have different times, in their order", () => {
    expect(nextEntry([at("starting", { time: 500 })], { status: "waiting" }, 500)).toMatchObject({
      time: 501,
    });
  });
});

describe("any sequence of reports", () => {
  const report = fc.record(
    {
      status: fc.constantFrom(...backendStatuses),
      termination_reason: fc.constantFrom(...terminationReasons),
      termination_kind: fc.constantFrom(...terminationKinds),
      exit_code: fc.integer({ min: 0, max: 255 }),
    },
    { requiredKeys: ["status"] },
  );
  const reports = fc.array(fc.tuple(report, fc.nat(1000)), { maxLength: 20 });

  function historyOf(sequence: readonly (readonly [StatusReport, number])[]): StatusEntry[] {
    const history: StatusEntry[] = [];
    for (const [each, now] of sequence) {
      const entry = nextEntry(history, each, now);
      if (entry) history.push(entry);
    }
    return history;
  }

  test("gives a history that only goes forward, in status and in time", () => {
    fc.assert(
      fc.property(reports, (sequence) => {
        const history = historyOf(sequence);
        for (const [i, entry] of history.entries()) {
          const before = history[i - 1];
          if (!before) continue;
          expect(statusRank(entry.status)).toBeGreaterThan(statusRank(before.status));
          expect(entry.time).toBeGreaterThanOrEqual(before.time);
        }
      }),
    );
  });

  test("gives the same history when every report is delivered twice", () => {
    fc.assert(
      fc.property(reports, (sequence) => {
        expect(historyOf(sequence.flatMap((each) => [each, each]))).toEqual(historyOf(sequence));
      }),
    );
  });

  test("leaves out what is unknown, and never writes undefined or null", () => {
    fc.assert(
      fc.property(reports, (sequence) => {
        for (const entry of historyOf(sequence)) {
          for (const value of Object.values(entry)) expect(value ?? null).not.toBeNull();
        }
      }),
    );
  });
});
