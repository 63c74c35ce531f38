import type { ArmCounts } from "../../../../src/domain/deploys/arm-counts.ts";
import {
  type CanaryVerdict,
  judgeCanary,
  type StepCounts,
} from "../../../../src/domain/deploys/canary/verdict.ts";

/** One step of a simulated rollout: how many sessions of each arm have an outcome in it. */
export interface SimulatedStep {
  canary: number;
  base: number;
}

/** 10 %, 25 % and 50 % of 250, 200 and 150 sessions: 150 of the canary. */
export const threeSteps: readonly SimulatedStep[] = [
  { canary: 25, base: 225 },
  { canary: 50, base: 150 },
  { canary: 75, base: 75 },
];

/** 5 %, 10 %, 20 %, 30 % and 50 %: 150 sessions of the canary, too. */
export const fiveSteps: readonly SimulatedStep[] = [
  { canary: 10, base: 190 },
  { canary: 20, base: 180 },
  { canary: 30, base: 120 },
  { canary: 40, base: 93 },
  { canary: 50, base: 50 },
];

/** Ten steps of 50 % with 15 sessions of either arm. */
export const tenSteps: readonly SimulatedStep[] = Array.from({ length: 10 }, () => ({
  canary: 15,
  base: 15,
}));

/** Numbers in [0, 1) that look random and are the same in each run (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), bits | 61)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An arm of so many sessions, each of which fails with that probability: some before they are ready, some after. */
export function simulatedArm(samples: number, failing: number, random: () => number): ArmCounts {
  let [exited, crashed] = [0, 0];
  for (let i = 0; i < samples; i++) {
    if (random() >= failing) continue;
    if (i % 2 === 0) exited += 1;
    else crashed += 1;
  }
  return { started: samples, ready: samples - exited, failed: { exited }, crashed };
}

/** How likely a session fails, in a step (0, 1, …). */
type FailingInStep = (step: number) => number;

/** All looks at one rollout. Whoever is asked lets an inconclusive one go on, for `more` further steps like the last one. */
export function simulatedRollout(
  {
    steps,
    more = 0,
    maxFailedShare,
    canary,
    base,
  }: {
    steps: readonly SimulatedStep[];
    more?: number;
    maxFailedShare: number;
    canary: FailingInStep;
    base: FailingInStep;
  },
  random: () => number,
): CanaryVerdict[] {
  const counts: StepCounts[] = [];
  const verdicts: CanaryVerdict[] = [];
  const last = steps.at(-1);
  const all = last === undefined ? [] : [...steps, ...Array.from({ length: more }, () => last)];
  for (const [i, step] of all.entries()) {
    counts.push({
      canary: simulatedArm(step.canary, canary(i), random),
      base: simulatedArm(step.base, base(i), random),
    });
    const verdict = judgeCanary({
      steps: counts,
      maxFailedShare,
      minSamples: 1,
      look: i + 1,
      looks: steps.length,
    });
    verdicts.push(verdict);
    if (verdict.verdict === "abandon") break;
  }
  return verdicts;
}
