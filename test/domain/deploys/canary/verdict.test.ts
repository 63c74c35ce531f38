import { describe, expect, test } from "vitest";
import { type ArmCounts, addCounts, noCounts } from "../../../../src/domain/deploys/arm-counts.ts";
import { type CanaryLook, judgeCanary } from "../../../../src/domain/deploys/canary/verdict.ts";
import { fiveSteps, seeded, simulatedArm, simulatedRollout, tenSteps, threeSteps } from "./rollouts.ts";

/** An arm in which so many sessions failed, of so many. */
function arm(failed: number, samples: number): ArmCounts {
  return { started: samples, ready: samples - failed, failed: { exited: failed }, crashed: 0 };
}

function judge(canary: ArmCounts, base: ArmCounts, look: Partial<CanaryLook> = {}) {
  return judgeCanary({
    steps: [{ canary, base }],
    maxFailedShare: 0.05,
    minSamples: 20,
    look: 1,
    looks: 3,
    ...look,
  });
}

describe("a look at a canary", () => {
  test.for([
    ["of 20 without a failure, beside 20 without", arm(0, 20), arm(0, 20), "pass"],
    ["with 3 failed of 20, against 0 of 20", arm(3, 20), arm(0, 20), "inconclusive"],
    ["at the limit", arm(5, 100), arm(0, 100), "pass"],
    ["above the limit, and as bad as the base", arm(30, 100), arm(30, 100), "inconclusive"],
    ["above the limit, and better than the base", arm(10, 100), arm(50, 100), "inconclusive"],
    ["above the limit, and worse than the base", arm(30, 100), arm(5, 100), "abandon"],
    ["worse than the base, and within the limit", arm(50, 1_000), arm(0, 1_000), "pass"],
    ["of too few", arm(0, 19), arm(0, 1_000), "inconclusive"],
    ["beside a base of too few", arm(0, 1_000), arm(0, 19), "inconclusive"],
    ["of too few, which are proven to be bad", arm(10, 10), arm(0, 100), "abandon"],
    ["of none", noCounts, arm(0, 100), "inconclusive"],
    ["beside no base, however bad", arm(100, 100), noCounts, "inconclusive"],
    ["whose sessions have no outcome yet", { ...noCounts, started: 500 }, arm(0, 100), "inconclusive"],
    ["whose sessions crash when they are ready", { ...arm(0, 100), crashed: 30 }, arm(5, 100), "abandon"],
  ] as const)("%s", ([, canary, base, verdict]) => {
    expect(judge(canary, base).verdict).toBe(verdict);
  });

  test("of no session passes under no limit and no number of samples", () => {
    expect(judge(noCounts, noCounts, { minSamples: 0, maxFailedShare: 1 }).verdict).toBe("inconclusive");
  });

  test("says in which numbers it has its reason", () => {
    expect(judge(arm(30, 100), arm(5, 100))).toMatchObject({
      canary: { samples: 100, failed: 30, share: 0.3 },
      base: { samples: 100, failed: 5, share: 0.05 },
      why: "above the limit of 5 %, and worse than the base: 30 of 100 sessions of the canary failed (30 %), 5 of 100 sessions of the base failed (5 %)",
    });
    expect(judge(arm(3, 20), arm(0, 20))).toMatchObject({
      why: "above the limit of 5 %, but not proven to be worse than the base: 3 of 20 sessions of the canary failed (15 %), 0 of 20 sessions of the base failed (0 %)",
    });
    expect(judge(arm(3, 20), arm(0, 20)).p).toBeCloseTo(0.1154, 4);
    expect(judge(arm(0, 7), arm(0, 19)).why).toBe(
      "too few sessions to judge by: the canary has 7 and the base has 19 of 20",
    );
    expect(judge(arm(0, 1_000), arm(1, 3_000)).why).toBe(
      "within the limit of 5 %: 0 of 1000 sessions of the canary failed (0 %), 1 of 3000 sessions of the base failed (0 %)",
    );
  });

  test("needs more proof where more looks are planned, and still more where they are over", () => {
    const verdicts = [
      { looks: 1, look: 1 },
      { looks: 3, look: 3 },
      { looks: 10, look: 1 },
      { looks: 1, look: 2 },
      { looks: 1, look: 9 },
    ].map((look) => judge(arm(9, 100), arm(2, 100), look).verdict);
    // p is 0.029.
    expect(verdicts).toEqual(["abandon", "inconclusive", "inconclusive", "inconclusive", "inconclusive"]);
    // p is 0.003.
    const beyond = [2, 3, 9].map((look) => judge(arm(13, 100), arm(2, 100), { looks: 1, look }).verdict);
    expect(beyond).toEqual(["abandon", "inconclusive", "inconclusive"]);
    expect(judge(arm(40, 100), arm(2, 100), { looks: 1, look: 9 }).verdict).toBe("abandon");
  });

  test("compares the arms step by step: an incident while the canary has half of the sessions is not held against it", () => {
    const quiet = { canary: arm(0, 50), base: arm(2, 450) };
    const incident = { canary: arm(80, 250), base: arm(82, 250) };
    const look = { maxFailedShare: 0.05, minSamples: 20, look: 2, looks: 2 };
    expect(judgeCanary({ ...look, steps: [quiet, incident] }).verdict).toBe("inconclusive");
    const sums = {
      canary: addCounts(quiet.canary, incident.canary),
      base: addCounts(quiet.base, incident.base),
    };
    expect(judgeCanary({ ...look, steps: [sums] }).verdict).toBe("abandon");
  });
});

const rollouts = 1_000;

/** In how many of a thousand rollouts … */
function perThousand(isSo: (random: () => number) => boolean): number {
  const random = seeded(20261123);
  return (1000 * Array.from({ length: rollouts }, () => isSo(random)).filter((so) => so).length) / rollouts;
}

function isAbandoned(parameters: Parameters<typeof simulatedRollout>[0], random: () => number): boolean {
  return simulatedRollout(parameters, random).at(-1)?.verdict === "abandon";
}

const plans = [
  ["three", threeSteps],
  ["five", fiveSteps],
  ["ten", tenSteps],
] as const;

describe("over whole rollouts", () => {
  test.for(plans)(
    "of %s steps, arms that both fail at 5 % are abandoned in less than 5 %, even where a person always goes on",
    ([, steps]) => {
      const parameters = { steps, more: 2, maxFailedShare: 0, canary: () => 0.05, base: () => 0.05 };
      expect(perThousand((random) => isAbandoned(parameters, random))).toBeLessThan(50);
    },
  );

  test.for(plans)(
    "of %s steps, a canary that fails at 30 % beside a base that fails at 10 % is found within its 150 sessions in 95 %",
    ([, steps]) => {
      expect(steps.reduce((total, { canary }) => total + canary, 0)).toBe(150);
      const parameters = { steps, maxFailedShare: 0.05, canary: () => 0.3, base: () => 0.1 };
      expect(perThousand((random) => isAbandoned(parameters, random))).toBeGreaterThan(950);
    },
  );

  test("an incident of both arms in the last step abandons less than 5 %", () => {
    const incident = (step: number) => (step === threeSteps.length - 1 ? 0.4 : 0.02);
    const parameters = { steps: threeSteps, maxFailedShare: 0.05, canary: incident, base: incident };
    expect(perThousand((random) => isAbandoned(parameters, random))).toBeLessThan(50);
  });
});

test("the simulation sees what is wrong with looks that are not corrected: five of them abandon more than 5 %", () => {
  const looks = perThousand((random) => {
    let sums = { canary: noCounts, base: noCounts };
    return Array.from({ length: 5 }, () => {
      sums = {
        canary: addCounts(sums.canary, simulatedArm(200, 0.3, random)),
        base: addCounts(sums.base, simulatedArm(200, 0.3, random)),
      };
      return judge(sums.canary, sums.base).p;
    }).some((p) => p <= 0.05);
  });
  expect(looks).toBeGreaterThan(80);
});
