import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { murmurHash } from "../../../../src/domain/deploys/canary/murmur-hash.ts";
import { belongsToCanary, drawsCanary } from "../../../../src/domain/deploys/canary/share.ts";

const many = 100_000;

/** Keys as services have them. */
const keys = {
  documents: (i: number) => `document-${i}`,
  "hexadecimal ids": (i: number) => (i * 2_654_435_761).toString(16).padStart(16, "0"),
  "other scripts": (i: number) => `文書 ${String.fromCodePoint(0x1f600 + (i % 80))} ${i}`,
};
const families = Object.entries(keys).map(([name, keyOf]) => ({
  name,
  keys: Array.from({ length: many }, (_, i) => keyOf(i)),
}));

const rolloutId = fc.string({ minLength: 1, maxLength: 20 });
/** With two decimals. */
const percent = fc.nat(10_000).map((hundredths) => hundredths / 100);

function shareOf(keys: readonly string[], belongs: (key: string) => boolean): number {
  return keys.filter(belongs).length / keys.length;
}

describe.for(families)("over 100,000 keys ($name)", ({ keys }) => {
  test("the share of the canary is within 1 % of its percentage", () => {
    fc.assert(
      fc.property(rolloutId, percent, (rollout, percent) => {
        const share = shareOf(keys, (key) => belongsToCanary(rollout, key, percent));
        expect(Math.abs(100 * share - percent)).toBeLessThan(1);
      }),
      { numRuns: 4 },
    );
  });

  test("raising the percentage only moves keys to the canary, and 0 and 100 are exactly none and all", () => {
    fc.assert(
      fc.property(rolloutId, fc.array(percent, { maxLength: 4 }), (rollout, between) => {
        const steps = [0, ...between.sort((a, b) => a - b), 100];
        let before = keys.map(() => false);
        for (const percent of steps) {
          const canary = keys.map((key) => belongsToCanary(rollout, key, percent));
          expect(before.every((was, i) => !was || canary[i])).toBe(true);
          if (percent === 0) expect(canary.some((is) => is)).toBe(false);
          if (percent === 100) expect(canary.every((is) => is)).toBe(true);
          before = canary;
        }
      }),
      { numRuns: 2 },
    );
  });

  test("two rollouts draw independently of each other", () => {
    const ids = fc.oneof(
      fc.tuple(rolloutId, rolloutId),
      fc.nat(1e6).map((n) => [`rollout_${n}`, `rollout_${n + 1}`] as const),
    );
    fc.assert(
      fc.property(
        ids.filter(([a, b]) => a !== b),
        ([one, other]) => {
          const inOne = keys.filter((key) => belongsToCanary(one, key, 10));
          expect(Math.abs(shareOf(inOne, (key) => belongsToCanary(other, key, 10)) - 0.1)).toBeLessThan(0.02);
        },
      ),
      { numRuns: 4 },
    );
  });
});

test.for([
  ["rollout-1", "my-document", 18.23, 18.24],
  ["rollout-2", "my-document", 81.84, 81.85],
  ["rollout-1", "", 50.72, 50.73],
] as const)(
  "in %s, %j goes to the canary from the same percentage on in every version",
  ([rollout, key, not, from]) => {
    expect([not, from].map((percent) => belongsToCanary(rollout, key, percent))).toEqual([false, true]);
  },
);

test("a spawn without a key draws by chance, at 0 % never and at 100 % always", () => {
  const draws = [0, 0.0999, 0.1, 0.5, 1 - 2 ** -53];
  expect(draws.map((random) => drawsCanary(random, 0))).toEqual([false, false, false, false, false]);
  expect(draws.map((random) => drawsCanary(random, 10))).toEqual([true, true, false, false, false]);
  expect(draws.map((random) => drawsCanary(random, 100))).toEqual([true, true, true, true, true]);
});

/** Known hashes of MurmurHash3_x86_32, whose input are the bytes of the code units. */
test.for([
  ["", 0, 0],
  ["", 1, 0x514e28b7],
  ["", 0xffffffff, 0x81f16f39],
  ["\u4321\u8765", 0, 0xf55b516b],
  ["\u4321\u8765", 0x5082edee, 0x2362f9de],
  ["\u4321", 0, 0xa0f7b07a],
  ["\0\0", 0, 0x2362f9de],
  ["\0", 0, 0x30f4c306],
  ["\uffff\uffff", 0, 0x76293b50],
] as const)("the hash of %j with the seed %i is %i", ([text, seed, hash]) => {
  expect(murmurHash(text, seed)).toBe(hash);
});
