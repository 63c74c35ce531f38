import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  isOneOf,
  isSamePerson,
  type MadeToken,
  makersOfNew,
} from "../../../src/domain/credentials/makers.ts";
import { tokenMakersMax } from "../../../src/domain/limits.ts";

function make(maker: MadeToken | null, tokenId: string): MadeToken {
  const makers = makersOfNew(maker);
  if (!makers.ok) throw new Error(makers.error.message);
  return makers.value.length === 0 ? { tokenId } : { tokenId, makers: makers.value };
}

/** Tokens of an account, each made by the deployment or by one before it; and who made each, by its place. */
const forest = fc.array(fc.nat(), { minLength: 1, maxLength: 20 }).map((choices) => {
  const tokens: MadeToken[] = [];
  const parents: (number | null)[] = [];
  for (const [place, choice] of choices.entries()) {
    // One more choice than there are tokens: the deployment.
    const chosen = choice % (place + 1);
    const parent = chosen === place ? null : chosen;
    parents.push(parent);
    tokens.push(make(parent === null ? null : (tokens[parent] ?? null), `t${place}`));
  }
  return { tokens, parents };
});

/** The places above a token, found step by step. */
function above(parents: readonly (number | null)[], place: number): number[] {
  const parent = parents[place] ?? null;
  return parent === null ? [] : [parent, ...above(parents, parent)];
}

describe("two tokens", () => {
  test("are one person exactly where they are one token, or one is above the other", () => {
    fc.assert(
      fc.property(forest, ({ tokens, parents }) => {
        for (const [i, a] of tokens.entries()) {
          for (const [j, b] of tokens.entries()) {
            const isOne = i === j || above(parents, i).includes(j) || above(parents, j).includes(i);
            expect(isSamePerson(a, b)).toBe(isOne);
          }
        }
      }),
    );
  });

  test("of one maker are two people, who are each one with their maker", () => {
    const admin = make(null, "admin");
    const [ada, bob] = [make(admin, "ada"), make(admin, "bob")];
    expect(isSamePerson(ada, bob)).toBe(false);
    expect([isSamePerson(admin, ada), isSamePerson(bob, admin)]).toEqual([true, true]);
    expect(isSamePerson(make(ada, "of ada"), make(bob, "of bob"))).toBe(false);
    expect(isSamePerson(make(ada, "of ada"), admin)).toBe(true);
  });

  test("that were both made before makers were recorded are two people", () => {
    expect(isSamePerson({ tokenId: "a" }, { tokenId: "b" })).toBe(false);
    expect(isSamePerson({ tokenId: "a", makers: [] }, { tokenId: "a" })).toBe(true);
  });
});

describe("one more approver", () => {
  test("counts exactly where they are another person than each one before", () => {
    fc.assert(
      fc.property(forest, fc.nat(), ({ tokens }, choice) => {
        const place = choice % tokens.length;
        const one = tokens[place];
        if (!one) return;
        const before = tokens.slice(0, place);
        expect(isOneOf(before, one)).toBe(before.some((approver) => isSamePerson(approver, one)));
        expect(isOneOf([...before, one], one)).toBe(true);
        expect(isOneOf([], one)).toBe(false);
      }),
    );
  });

  test("who are counted each once never hold a token and one that is above it, in whatever order they come", () => {
    fc.assert(
      fc.property(
        forest.chain(({ tokens, parents }) =>
          fc
            .shuffledSubarray(
              tokens.map((_, place) => place),
              { minLength: tokens.length },
            )
            .map((order) => ({ tokens, parents, order })),
        ),
        ({ tokens, parents, order }) => {
          const counted: number[] = [];
          for (const place of order) {
            const one = tokens[place];
            const approvers = counted.flatMap((before) => tokens[before] ?? []);
            if (one && !isOneOf(approvers, one)) counted.push(place);
          }
          for (const place of counted) {
            expect(above(parents, place).filter((maker) => counted.includes(maker))).toEqual([]);
          }
          expect(counted.length).toBeGreaterThan(0);
        },
      ),
    );
  });
});

describe("the makers of a new token", () => {
  test("are its maker and those above, the nearest first", () => {
    expect(makersOfNew(null)).toEqual({ ok: true, value: [] });
    expect(makersOfNew({ tokenId: "a" })).toEqual({ ok: true, value: ["a"] });
    expect(makersOfNew({ tokenId: "c", makers: ["b", "a"] })).toEqual({ ok: true, value: ["c", "b", "a"] });
  });

  test("are recorded all or not at all: a token with as many above it as there may be makes no other", () => {
    const line: MadeToken[] = [make(null, "t0")];
    for (let i = 1; i <= tokenMakersMax; i++) line.push(make(line.at(-1) ?? null, `t${i}`));
    const last = line.at(-1) ?? { tokenId: "" };
    expect(last.makers).toHaveLength(tokenMakersMax);
    expect(isSamePerson(line[0] ?? { tokenId: "" }, last)).toBe(true);
    expect(makersOfNew(last)).toMatchObject({
      error: { code: "forbidden", message: expect.stringContaining(`${tokenMakersMax}`) },
    });
  });
});
