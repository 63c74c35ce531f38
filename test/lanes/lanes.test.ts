import { describe, expect, test } from "vitest";
import { read } from "../support/documents/markdown.ts";
import { aimMs, carriesUpTo, paysFrom, pinExtraMs, spawnMs, spawnsPerSecond } from "./load.ts";
import { rules } from "./protocol.ts";
import { simulate, type Violation } from "./simulation.ts";

const paper = read("test/lanes/README.md");
/** On one line, in lower case. */
const words = paper.replaceAll(/\s+/g, " ").toLowerCase();

describe("the protocol of lanes", () => {
  const runs = 500;
  const outcomes = Array.from({ length: runs }, (_, seed) => simulate(seed));
  const total = (
    of: "spawns" | "reuses" | "pins" | "pinsWithoutALane" | "layouts" | "crashes" | "tokensOutOfOrder",
  ) => outcomes.reduce((sum, outcome) => sum + outcome[of], 0);

  test("keeps its promises in every run, with messages lost, doubled and late, cut links and crashes", () => {
    expect(outcomes.filter(({ violation }) => violation !== null)).toEqual([]);
  });

  test("goes on all the while: pins are acknowledged, also without a lane, and layouts follow each other", () => {
    expect(total("spawns") / runs).toBeGreaterThan(100);
    expect(total("reuses") / runs).toBeGreaterThan(50);
    expect(total("pins") / runs).toBeGreaterThan(5);
    expect(total("pinsWithoutALane") / runs).toBeGreaterThan(1);
    expect(total("layouts") / runs).toBeGreaterThan(2);
    expect(total("crashes") / runs).toBeGreaterThan(10);
  });

  test("orders the tokens of a key, and not those of a service", () => {
    expect(total("tokensOutOfOrder") / runs).toBeGreaterThan(1);
  });

  const stale: Violation = "a spawn that began after a pin was acknowledged used an earlier one";
  const twoLive: Violation = "two live backends had one key";
  const unordered: Violation = "a key's fencing tokens did not increase";
  const brokenWithout: Record<(typeof rules)[number], Violation> = {
    "a pin is acknowledged when every lane holds it": stale,
    "a lane takes no older revision": stale,
    "a lane decides under a lease only": stale,
    "a lease counts from its request": stale,
    "a lease comes with the revision": stale,
    "a lease is of the life that requested it": stale,
    "a lane is counted out for longer than its clock may be slow": stale,
    "after a crash every lane counts as having a lease": stale,
    "a lane takes requests of its own layout only": twoLive,
    "a layout begins when every lane has closed the one before": twoLive,
    "a layout begins with what lived in the one before": twoLive,
    "a block of tokens ends with its layout": unordered,
    "a block of tokens ends with a crash": unordered,
    "a block of tokens is kept before it is given out": unordered,
  };
  test.for(rules)("has no rule that it could do without: %s", (rule) => {
    expect(firstViolation(rule)).toBe(brokenWithout[rule]);
    expect(words).toContain(rule);
  });

  test("comes to the same for the same seed", () => {
    expect(simulate(7)).toEqual(outcomes[7]);
  });
});

/** What goes wrong first without a rule, in at most so many runs; null: nothing. */
function firstViolation(rule: (typeof rules)[number]): Violation | null {
  for (let seed = 0; seed < 1000; seed++) {
    const { violation } = simulate(seed, [rule]);
    if (violation) return violation;
  }
  return null;
}

describe("the load from which lanes pay", () => {
  test("is close to what one object carries: below, they cost a pin more than they save a spawn", () => {
    for (const lanes of [2, 4, 8]) {
      expect(paysFrom(lanes)).toBeGreaterThan(0.75 * spawnsPerSecond);
      expect(paysFrom(lanes)).toBeLessThan(carriesUpTo(1));
      const half = spawnsPerSecond / 2;
      expect(spawnMs(half, 1) - spawnMs(half, lanes)).toBeLessThan(pinExtraMs(half, lanes) / 2);
    }
  });

  test("is carried in proportion to the lanes", () => {
    for (const lanes of [2, 4, 8]) {
      expect(Math.abs(carriesUpTo(lanes) - lanes * carriesUpTo(1))).toBeLessThan(lanes);
      expect(spawnMs(carriesUpTo(lanes), lanes)).toBeLessThanOrEqual(aimMs);
      expect(spawnMs(carriesUpTo(1) + 1, 1)).toBeGreaterThan(aimMs);
    }
  });

  test("is what the paper's table says", () => {
    const ms = (value: number) => (Number.isFinite(value) ? value.toFixed(0) : "-");
    for (const lanes of [1, 2, 4, 8]) {
      const pays = lanes === 1 ? "-" : String(paysFrom(lanes));
      const cells = [
        lanes,
        pays,
        carriesUpTo(lanes),
        ms(spawnMs(500, lanes)),
        ms(spawnMs(900, lanes)),
        ms(pinExtraMs(900, lanes)),
      ];
      expect(paper).toContain(`| ${cells.join(" | ")} |`);
    }
  });
});
