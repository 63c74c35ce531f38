import { describe, expect, test } from "vitest";
import type { Protection } from "../../../src/domain/deploys/protection.ts";
import { isWeaker } from "../../../src/domain/deploys/weakening.ts";
import type { FreezeWindow } from "../../../src/domain/deploys/window-times.ts";

function window(effect: "allow" | "deny", from: string): FreezeWindow {
  return { effect, days: ["mon"], from, to: "24:00", time_zone: "UTC" };
}

/** Each time the first is stricter than the second; both ways round are tried. */
const stricter: [what: string, Protection, Protection][] = [
  ["gates", { gates: { checks: ["e2e"] } }, {}],
  ["an upstream", { gates: { from: ["staging"] } }, { gates: {} }],
  ["fewer of any upstreams", { gates: { from: ["a"] } }, { gates: { from: ["a", "b"] } }],
  ["all upstreams", { gates: { from: ["a", "b"], match: "all" } }, { gates: { from: ["a", "b"] } }],
  [
    "more of all upstreams",
    { gates: { from: ["a", "b"], match: "all" } },
    { gates: { from: ["a"], match: "all" } },
  ],
  ["more sessions", { gates: { from: ["a"], min_ready: 3 } }, { gates: { from: ["a"], min_ready: 2 } }],
  ["any sessions", { gates: { from: ["a"], min_ready: 1 } }, { gates: { from: ["a"] } }],
  ["a smaller share", { gates: { max_failed_share: 0.1 } }, { gates: { max_failed_share: 0.2 } }],
  ["a share", { gates: { max_failed_share: 0.9 } }, { gates: {} }],
  [
    "more samples",
    { gates: { max_failed_share: 0.1, min_samples: 30 } },
    { gates: { max_failed_share: 0.1 } },
  ],
  [
    "as many samples as without",
    { gates: { max_failed_share: 0.1 } },
    { gates: { max_failed_share: 0.1, min_samples: 19 } },
  ],
  ["a longer soak", { gates: { soak_seconds: 60 } }, { gates: { soak_seconds: 59 } }],
  ["more checks", { gates: { checks: ["a", "b"] } }, { gates: { checks: ["a"] } }],
  ["changers", { changers: { roles: ["deploy"] } }, {}],
  ["fewer roles", { changers: { roles: ["admin"] } }, { changers: { roles: ["admin", "deploy"] } }],
  ["fewer tokens", { changers: { tokens: ["a"] } }, { changers: { tokens: ["a", "b"] } }],
  ["no tokens", { changers: { roles: ["admin"] } }, { changers: { roles: ["admin"], tokens: ["a"] } }],
  ["digests only", { require_digest: true }, { require_digest: false }],
  ["no images of spawns", { allow_spawn_tag: false }, { allow_spawn_tag: true }],
  ["candidates", { follow: "candidate" }, { follow: "auto" }],
  ["more approvals", { approvals: 2 }, { approvals: 1 }],
  ["an approval", { approvals: 1 }, {}],
  ["one more deny window", { windows: [window("deny", "09:00")] }, { windows: [] }],
  ["an allow window, where there was none", { windows: [window("allow", "09:00")] }, {}],
  [
    "fewer allow windows",
    { windows: [window("allow", "09:00")] },
    { windows: [window("allow", "09:00"), window("allow", "10:00")] },
  ],
  ["no rollback at 3 a.m.", { emergency_rollback: false }, { emergency_rollback: true }],
];

describe("a protection", () => {
  test.each(stricter)("is weaker without %s, and not with it", (_, strict, loose) => {
    expect(isWeaker(strict, loose)).toBe(true);
    expect(isWeaker(loose, strict)).toBe(false);
    expect(isWeaker(strict, strict)).toBe(false);
    expect(isWeaker(loose, loose)).toBe(false);
  });

  test.each([
    ["another upstream", { gates: { from: ["a"] } }, { gates: { from: ["b"] } }],
    [
      "others of all upstreams",
      { gates: { from: ["a", "b"], match: "all" } },
      { gates: { from: ["b", "c"], match: "all" } },
    ],
    ["another check", { gates: { checks: ["a"] } }, { gates: { checks: ["b"] } }],
    ["other roles", { changers: { roles: ["admin"] } }, { changers: { roles: ["deploy"] } }],
    ["another window", { windows: [window("deny", "09:00")] }, { windows: [window("deny", "10:00")] }],
    [
      "another allow window",
      { windows: [window("allow", "09:00")] },
      { windows: [window("allow", "10:00")] },
    ],
    ["one gate for another", { gates: { soak_seconds: 5 } }, { gates: { checks: ["a"] } }],
  ] as [string, Protection, Protection][])("is weaker with %s, either way", (_, one, other) => {
    expect([isWeaker(one, other), isWeaker(other, one)]).toEqual([true, true]);
  });

  test("of one upstream is the same for any and for all", () => {
    const any: Protection = { gates: { from: ["a"] } };
    const all: Protection = { gates: { from: ["a"], match: "all" } };
    expect([isWeaker(any, all), isWeaker(all, any)]).toEqual([false, false]);
  });

  test("does not mind the samples of a share that it has not", () => {
    expect(isWeaker({ gates: { min_samples: 9 } }, { gates: { min_samples: 1 } })).toBe(false);
  });
});
