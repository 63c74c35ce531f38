import { describe, expect, test } from "vitest";
import { isTimeZone } from "../../../src/domain/deploys/time-zone.ts";
import { type FreezeWindow, weekdays } from "../../../src/domain/deploys/window-times.ts";
import { changesAllowed, closedMessage } from "../../../src/domain/deploys/windows.ts";

function at(text: string): number {
  return Date.parse(text);
}

function window(effect: FreezeWindow["effect"], days: string, hours: string, zone = "UTC"): FreezeWindow {
  const [from = "", to = ""] = hours.split("-");
  return {
    effect,
    days: weekdays.filter((name) => days === "all" || days.includes(name)),
    from,
    to,
    time_zone: zone,
  };
}

/** When changes are possible next: `now`, or what is said; null where no such time is in sight. */
function opening(windows: readonly FreezeWindow[], now: string): string | null {
  const changes = changesAllowed(windows, at(now));
  if (changes.open) return "now";
  return changes.opensAt === null ? null : new Date(changes.opensAt).toISOString();
}

// 2026-03-02 is a Monday.
const monday = "2026-03-02";

describe("windows", () => {
  const deny = window("deny", "mon", "22:00-06:00");
  const allow = window("allow", "mon tue", "09:00-17:00");
  const cases: [title: string, windows: FreezeWindow[], now: string, opens: string | null][] = [
    ["without any, changes are possible", [], `${monday}T00:00:00Z`, "now"],
    ["before a deny window they are", [deny], `${monday}T21:59:59.999Z`, "now"],
    ["from its beginning on they are not", [deny], `${monday}T22:00:00Z`, "2026-03-03T06:00:00.000Z"],
    ["nor on the next day, before its end", [deny], "2026-03-03T05:59:59.999Z", "2026-03-03T06:00:00.000Z"],
    ["at its end they are", [deny], "2026-03-03T06:00:00Z", "now"],
    ["on a day on which it only ends it does not begin", [deny], "2026-03-03T22:00:00Z", "now"],
    ["in an allow window they are", [allow], `${monday}T09:00:00Z`, "now"],
    ["outside of it they are not", [allow], `${monday}T08:59:59.999Z`, "2026-03-02T09:00:00.000Z"],
    ["after it the next one counts", [allow], "2026-03-03T17:00:00Z", "2026-03-09T09:00:00.000Z"],
    [
      "several allow windows add up",
      [allow, window("allow", "wed", "12:00-13:00")],
      "2026-03-04T12:30:00Z",
      "now",
    ],
    [
      "a deny window wins over an allow window",
      [allow, window("deny", "mon", "10:00-11:00")],
      `${monday}T10:00:00Z`,
      "2026-03-02T11:00:00.000Z",
    ],
    [
      "where the deny window ends outside of the allow windows, the next of these counts",
      [allow, window("deny", "tue", "16:00-18:00")],
      "2026-03-03T16:30:00Z",
      "2026-03-09T09:00:00.000Z",
    ],
    [
      "deny windows that follow on each other are one",
      [window("deny", "mon", "08:00-24:00"), window("deny", "tue", "00:00-12:00")],
      `${monday}T10:00:00Z`,
      "2026-03-03T12:00:00.000Z",
    ],
    [
      "an allow window that is not in force yet restricts nothing",
      [{ ...allow, starts_at: "2026-03-09T00:00:00Z" }],
      `${monday}T01:00:00Z`,
      "now",
    ],
    [
      "nor does one that is not in force any more",
      [{ ...allow, ends_at: "2026-03-02T00:00:00Z" }],
      `${monday}T01:00:00Z`,
      "now",
    ],
    [
      "when the last allow window ceases to be in force, changes are possible",
      [{ ...allow, ends_at: "2026-03-05T01:23:45.678Z" }],
      "2026-03-04T00:00:00Z",
      "2026-03-05T01:23:45.678Z",
    ],
    [
      "a deny window that is not in force yet forbids nothing",
      [{ ...deny, starts_at: "2026-03-02T23:00:00+01:00" }],
      `${monday}T21:59:59Z`,
      "now",
    ],
    [
      "one that comes into force while it is open forbids from then on",
      [{ ...deny, starts_at: "2026-03-03T00:00:00Z" }],
      "2026-03-03T00:00:00Z",
      "2026-03-03T06:00:00.000Z",
    ],
    [
      "one that ceases to be in force while it is open ends",
      [{ ...deny, ends_at: "2026-03-03T01:00:00Z" }],
      `${monday}T23:00:00Z`,
      "2026-03-03T01:00:00.000Z",
    ],
    [
      "a freeze of all times ends when it is no more in force, years later",
      [{ ...window("deny", "all", "00:00-24:00"), ends_at: "2029-07-01T12:00:00Z" }],
      `${monday}T23:00:00Z`,
      "2029-07-01T12:00:00.000Z",
    ],
    [
      "after such a freeze the first allow window of the week counts",
      [{ ...window("deny", "all", "00:00-24:00"), ends_at: "2029-07-03T18:00:00Z" }, allow],
      `${monday}T23:00:00Z`,
      "2029-07-09T09:00:00.000Z",
    ],
    [
      "a freeze of all times without an end opens never",
      [window("deny", "all", "00:00-24:00")],
      `${monday}T23:00:00Z`,
      null,
    ],
    [
      "the first time at which one of several long freezes ends counts, in whatever order they are",
      [
        { ...deny, starts_at: "2031-01-07T00:00:00Z" },
        { ...window("deny", "all", "00:00-24:00"), ends_at: "2029-07-01T12:00:00Z" },
      ],
      `${monday}T12:00:00Z`,
      "2029-07-01T12:00:00.000Z",
    ],
    [
      "a time that is over is not the next",
      [
        { ...window("deny", "all", "00:00-24:00"), starts_at: "2026-01-01T00:00:00Z" },
        { ...deny, ends_at: "2020-01-01T00:00:00Z" },
      ],
      `${monday}T12:00:00Z`,
      null,
    ],
    [
      "what only the other half of the year's clocks open is found",
      [window("allow", "mon", "12:00-12:30", "Europe/Berlin"), window("deny", "mon", "11:00-12:00")],
      `${monday}T00:00:00Z`,
      "2026-03-30T10:00:00.000Z",
    ],
  ];

  test.for(cases)("%s", ([, windows, now, opens]) => {
    expect(opening(windows, now)).toBe(opens);
  });

  test("say which deny window forbids, or that no allow window is open, and when changes are possible next", () => {
    const closed = (windows: FreezeWindow[], now: string) => {
      const changes = changesAllowed(windows, at(now));
      if (changes.open) throw new Error("changes are possible");
      return { why: changes.why, message: closedMessage(changes) };
    };
    const other = window("deny", "mon", "00:00-24:00", "Europe/Berlin");
    expect(closed([allow, deny, other], `${monday}T22:30:00Z`)).toEqual({
      why: deny,
      message:
        "a window denies changes on mon from 22:00 to 06:00, UTC; they are possible from 2026-03-03T09:00:00.000Z on",
    });
    expect(closed([allow, deny, other], `${monday}T08:30:00Z`).why).toEqual(other);
    expect(closed([allow, other], `${monday}T09:30:00Z`).why).toEqual(other);
    expect(closed([window("deny", "mon sat", "00:00-24:00")], `${monday}T09:30:00Z`).message).toBe(
      "a window denies changes on mon, sat from 00:00 to 24:00, UTC; they are possible from 2026-03-03T00:00:00.000Z on",
    );
    expect(closed([allow], `${monday}T08:30:00Z`)).toEqual({
      why: "outside of all allow windows",
      message: "no window that allows changes is open; they are possible from 2026-03-02T09:00:00.000Z on",
    });
    expect(closed([window("deny", "all", "00:00-24:00")], `${monday}T00:00:00Z`).message).toMatch(
      /; no time is in sight at which they are possible$/,
    );
  });
});

test.for([
  ["UTC", true],
  ["Europe/Berlin", true],
  ["+02:00", false],
  ["Europe/Atlantis", false],
  ["", false],
] as const)("%j is a time zone: %s", ([name, is]) => {
  expect(isTimeZone(name)).toBe(is);
});

describe("where the clocks are put forward", () => {
  // Berlin, 2026-03-29: 02:00 is 03:00, at 01:00 UTC.
  test.for([
    [
      "a deny window over it is shorter by what they pass over",
      "deny",
      "sat",
      "22:00-06:00",
      "2026-03-28T21:00:00Z",
      "2026-03-29T04:00:00.000Z",
    ],
    [
      "one that would begin there begins after it",
      "deny",
      "sun",
      "02:30-04:00",
      "2026-03-29T01:00:00Z",
      "2026-03-29T02:00:00.000Z",
    ],
    ["and not before", "deny", "sun", "02:30-04:00", "2026-03-29T00:59:59.999Z", "now"],
    [
      "one that would end there ends after it",
      "deny",
      "sun",
      "01:00-02:30",
      "2026-03-29T00:59:59.999Z",
      "2026-03-29T01:00:00.000Z",
    ],
    [
      "an allow window that would begin there begins after it",
      "allow",
      "sun",
      "02:30-04:00",
      "2026-03-29T00:30:00Z",
      "2026-03-29T01:00:00.000Z",
    ],
    [
      "one that lies wholly there is left out",
      "allow",
      "sun",
      "02:15-02:45",
      "2026-03-28T12:00:00Z",
      "2026-04-05T00:15:00.000Z",
    ],
  ] as const)("%s", ([, effect, days, hours, now, opens]) => {
    expect(opening([window(effect, days, hours, "Europe/Berlin")], now)).toBe(opens);
  });
});

describe("where the clocks are put back", () => {
  // Berlin, 2026-10-25: 03:00 is 02:00, at 01:00 UTC.
  test.for([
    [
      "a deny window that begins in the repeated hour begins the first time",
      "deny",
      "02:30-04:00",
      "2026-10-25T00:30:00Z",
      "2026-10-25T03:00:00.000Z",
    ],
    ["and not before", "deny", "02:30-04:00", "2026-10-25T00:29:59.999Z", "now"],
    ["and has no break in it", "deny", "02:30-04:00", "2026-10-25T01:10:00Z", "2026-10-25T03:00:00.000Z"],
    [
      "one that ends there ends the second time",
      "deny",
      "01:00-02:30",
      "2026-10-24T23:00:00Z",
      "2026-10-25T01:30:00.000Z",
    ],
    [
      "an allow window is open only where the clocks show a time in it",
      "allow",
      "02:30-04:00",
      "2026-10-25T01:10:00Z",
      "2026-10-25T01:30:00.000Z",
    ],
    ["the first time", "allow", "02:30-04:00", "2026-10-25T00:10:00Z", "2026-10-25T00:30:00.000Z"],
    ["and the second", "allow", "02:15-02:45", "2026-10-25T00:50:00Z", "2026-10-25T01:15:00.000Z"],
  ] as const)("%s", ([, effect, hours, now, opens]) => {
    expect(opening([window(effect, "sun", hours, "Europe/Berlin")], now)).toBe(opens);
  });
});
