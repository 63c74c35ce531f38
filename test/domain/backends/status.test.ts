import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type BackendStatus,
  backendStatuses,
  isConnectable,
  nextEntry,
  reportedEntries,
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

describe("a report of several statuses", () => {
  const started = [at("scheduled")];
  const start = {
    status: "ready",
    earlier: [
      { status: "loading", ms_ago: 300 },
      { status: "starting", ms_ago: 200 },
      { status: "waiting", ms_ago: 100.4 },
    ],
  } as const;

  test("enters each when it took place", () => {
    expect(reportedEntries(started, start, 1000)).toEqual([
      { status: "loading", time: 700 },
      { status: "starting", time: 800 },
      { status: "waiting", time: 900 },
      { status: "ready", time: 1000 },
    ]);
  });

  test("enters none before the one before it, whatever durations it has", () => {
    const earlier = [
      { status: "loading", ms_ago: 10_000_000 },
      { status: "starting", ms_ago: 0 },
      { status: "waiting", ms_ago: 500 },
    ] as const;
    expect(reportedEntries(started, { status: "ready", earlier }, 1000).map(({ time }) => time)).toEqual([
      101, 1000, 1001, 1002,
    ]);
  });

  test("adds what is not there yet, and nothing where its own status adds nothing", () => {
    const some = [...started, at("loading", { time: 700 }), at("starting", { time: 800 })];
    expect(reportedEntries(some, start, 2000).map(({ status, time }) => [status, time])).toEqual([
      ["waiting", 1900],
      ["ready", 2000],
    ]);
    expect(reportedEntries([...started, at("ready")], start, 2000)).toEqual([]);
  });

  test("passes over what cannot have come before", () => {
    const earlier = [
      { status: "terminated", ms_ago: 5 },
      { status: "starting", ms_ago: 4 },
      { status: "loading", ms_ago: 3 },
    ] as const;
    const added = reportedEntries(started, { status: "waiting", earlier }, 1000);
    expect(added.map(({ status }) => status)).toEqual(["starting", "waiting"]);
  });

  test("carries the reason of an end on to what follows", () => {
    const earlier = [
      { status: "ready", ms_ago: 9 },
      { status: "terminating", ms_ago: 8, termination_reason: "swept" },
    ] as const;
    const report = { status: "terminated", exit_code: 0, earlier } as const;
    expect(reportedEntries(started, report, 1000)).toEqual([
      { status: "ready", time: 991 },
      { status: "terminating", time: 992, termination_reason: "swept" },
      { status: "terminated", time: 1000, termination_reason: "swept", exit_code: 0, last_status: "ready" },
    ]);
  });

  test("adds nothing when it is delivered twice, and all that reports one by one would add", () => {
    const durations = fc.array(fc.nat(2000), { minLength: 7, maxLength: 7 });
    const which = fc.subarray(backendStatuses.slice(1), { minLength: 1 });
    fc.assert(
      fc.property(which, durations, fc.nat(7), (statuses, ago, known) => {
        const reported = statuses.at(-1) ?? "ready";
        const earlier = statuses.slice(0, -1).map((status, i) => ({ status, ms_ago: ago[i] ?? 0 }));
        const history = [...started];
        for (const status of statuses.slice(0, known)) {
          const entry = nextEntry(history, { status }, 1500);
          if (entry) history.push(entry);
        }
        const after = [...history, ...reportedEntries(history, { status: reported, earlier }, 2000)];
        expect(after.map(({ status }) => status)).toEqual(["scheduled", ...statuses]);
        expect(after.every(({ time }, i) => time > (after[i - 1]?.time ?? 0))).toBe(true);
        expect(reportedEntries(after, { status: reported, earlier }, 3000)).toEqual([]);
      }),
    );
  });
});
