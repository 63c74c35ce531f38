import { describe, expect, test } from "vitest";
import { freezeWindow, freezeWindows, freezeWindowsMax } from "../../../src/protocol/v3/windows.ts";

const window = { effect: "deny", days: ["mon"], from: "22:00", to: "06:00", time_zone: "Europe/Berlin" };

describe("a freeze window", () => {
  test.for([
    [{}],
    [{ effect: "allow" }],
    [{ days: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] }],
    [{ from: "00:00", to: "24:00" }],
    [{ time_zone: "UTC" }],
    [{ time_zone: "Asia/Kathmandu" }],
    [{ time_zone: "America/Argentina/Buenos_Aires" }],
    [{ starts_at: "2026-12-20T00:00:00Z" }],
    [{ starts_at: "2026-12-20T00:00:00+01:00", ends_at: "2026-12-20T00:00:00Z" }],
  ])("with %j is one", ([change]) => {
    const given = { ...window, ...change };
    expect(freezeWindow.parse(given)).toEqual(given);
  });

  test.for([
    [{ effect: "maybe" }, "effect"],
    [{ days: [] }, "days"],
    [{ days: ["mon", "mon"] }, "days"],
    [{ days: ["monday"] }, "days.0"],
    [{ from: "24:00" }, "from"],
    [{ from: "9:00" }, "from"],
    [{ to: "24:01" }, "to"],
    [{ to: "23:60" }, "to"],
    [{ to: "06:00:00" }, "to"],
    [{ to: "22:00" }, ""],
    [{ time_zone: "" }, "time_zone"],
    [{ time_zone: "+02:00" }, "time_zone"],
    [{ time_zone: "Europe/Atlantis" }, "time_zone"],
    [{ time_zone: undefined }, "time_zone"],
    [{ starts_at: "2026-12-20" }, "starts_at"],
    [{ ends_at: "2026-02-30T00:00:00Z" }, "ends_at"],
    [{ starts_at: "2026-12-20T00:00:00Z", ends_at: "2026-12-20T01:00:00+01:00" }, ""],
    [{ zone: "UTC" }, ""],
  ] as const)("with %j is none, and %j is said to be wrong", ([change, path]) => {
    const parsed = freezeWindow.safeParse({ ...window, ...change });
    expect(parsed.error?.issues.map((issue) => issue.path.join("."))).toEqual([path]);
  });

  test("is one of 32 at most", () => {
    const many = Array.from({ length: freezeWindowsMax }, () => window);
    expect(freezeWindows.safeParse([]).success).toBe(true);
    expect(freezeWindows.safeParse(many).success).toBe(true);
    expect(freezeWindows.safeParse([...many, window]).error?.issues[0]?.message).toBe(
      "an environment has at most 32 windows",
    );
  });
});
