import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultQuotas, quotaLimitMax } from "../../src/domain/limits.ts";
import {
  checkHoldings,
  checkQuota,
  eachHolding,
  eachQuota,
  exceeds,
  growth,
  mostOf,
  nothingHeld,
  quotaLimit,
  serviceQuotas,
  sumOf,
} from "../../src/domain/quotas.ts";
import { fail, ok } from "../../src/domain/result.ts";

const amount = fc.nat({ max: 20 });
const holdings = fc.record({ environments: amount, images: amount, tags: amount, pin_notes: amount });

describe("a quota", () => {
  test.for([
    [9, 10, 1, true],
    [10, 10, 1, false],
    [11, 10, 1, false],
    [0, 0, 1, false],
    [5, 10, 5, true],
    [5, 10, 6, false],
    [11, 10, 0, true],
    [11, 10, -1, true],
  ] as const)("of which %i of %i are used: %i more are allowed: %s", ([used, limit, more, isAllowed]) => {
    expect(checkQuota("tokens", { used, limit }, more).ok).toBe(isAllowed);
  });

  test("says which it is, what is used of it and its limit where it allows no more", () => {
    expect(checkQuota("images", { used: 7, limit: 5 }, 1)).toEqual(
      fail("quota_exceeded", "the account's quota `images` does not allow 1 more: 7 of 5 are used", {
        details: { quota: "images", used: 7, limit: 5 },
      }),
    );
  });

  test("has its default where none was set, and 0 is a limit", () => {
    expect(eachQuota((name) => quotaLimit(name, null))).toEqual(defaultQuotas);
    expect(eachQuota((name) => quotaLimit(name, 0))).toEqual(eachQuota(() => 0));
  });
});

test("the defaults hold a hundred thousand images and tags and a thousand environments, and can be set", () => {
  expect(defaultQuotas.images).toBeGreaterThanOrEqual(100_000);
  expect(defaultQuotas.tags).toBeGreaterThanOrEqual(100_000);
  expect(defaultQuotas.environments).toBeGreaterThanOrEqual(1_000);
  for (const limit of Object.values(defaultQuotas)) expect(limit).toBeLessThanOrEqual(quotaLimitMax);
});

describe("what a service holds", () => {
  const quota = { used: 10, limit: 10 };

  test.for(serviceQuotas)("may not be one more of %s where the account has as many as it may", (name) => {
    const more = { ...nothingHeld, [name]: 1 };
    const checked = checkHoldings(nothingHeld, more, (asked) =>
      asked === name ? quota : { used: 0, limit: 0 },
    );
    expect(checked).toMatchObject({ ok: false, error: { details: { quota: name } } });
  });

  test("may be less, and the same, whatever the limits are", () => {
    fc.assert(
      fc.property(holdings, holdings, (a, b) => {
        const less = eachHolding((name) => Math.min(a[name], b[name]));
        expect(checkHoldings(a, less, () => ({ used: 20, limit: 0 }))).toEqual(ok(null));
      }),
    );
  });

  test.for(serviceQuotas)(
    "is more than another has where it is one more of %s, though less of all else",
    (name) => {
      const many = eachHolding(() => 5);
      const less = eachHolding((each) => (each === name ? 6 : 0));
      expect([exceeds(less, many), exceeds(many, many), exceeds(nothingHeld, many)]).toEqual([
        true,
        false,
        false,
      ]);
    },
  );

  test("has grown by what makes it at least what it was after", () => {
    fc.assert(
      fc.property(holdings, holdings, (before, after) => {
        const more = growth(before, after);
        expect(sumOf(before, more)).toEqual(mostOf(before, after));
        expect(exceeds(after, before)).toBe(exceeds(more, nothingHeld));
      }),
    );
  });
});
