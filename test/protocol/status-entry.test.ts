import { describe, expect, test } from "vitest";
import { statusEntry } from "../../src/protocol/status-entry.ts";

const ended = {
  status: "terminated",
  time: 1_795_424_400_000,
  termination_reason: "external",
  termination_kind: "hard",
  exit_code: 137,
  last_status: "ready",
};

describe("an entry of a status history", () => {
  test.for([ended, { status: "scheduled", time: 0 }, { ...ended, exit_code: -1 }])("may be %j", (entry) => {
    expect(statusEntry.parse(entry)).toStrictEqual(entry);
  });

  test.for([
    { time: 0 },
    { status: "ready" },
    { status: "live", time: 0 },
    { status: "ready", time: "2026-11-23T09:00:00.000Z" },
    { ...ended, termination_reason: "boredom" },
    { ...ended, termination_kind: "" },
    { ...ended, exit_code: 1.5 },
    { ...ended, last_status: "gone" },
    { ...ended, exit_code: null },
    // What is not known is left out: SQLite has no undefined.
    { ...ended, exit_code: undefined },
  ])("may not be %j", (entry) => {
    expect(statusEntry.safeParse(entry).success).toBe(false);
  });
});
