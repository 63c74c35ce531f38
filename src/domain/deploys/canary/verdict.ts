import { type ArmCounts, addCounts, failedShareOf, failuresOf, noCounts, samplesOf } from "../arm-counts.ts";
import { chanceOfSoMany, type Outcomes } from "./exact-test.ts";

/** The share of failed sessions up to which a canary goes on where its rollout sets no other: 5 %. */
export const defaultMaxFailedShare = 0.05;
/** How many samples each arm must have where a step sets no other number. */
export const defaultMinSamples = 20;

/**
 * How many rollouts of a hundred may be abandoned though the canary is as good as the base, over all of their looks. Most of it
 * is spent in equal parts on the looks that are planned, the rest on those that a pause adds.
 */
const falselyAbandoned = { planned: 0.04, beyond: 0.01 };

/** What was counted of both arms while the canary had one share: from its beginning or the last change of the share to the next. */
export interface StepCounts {
  canary: ArmCounts;
  base: ArmCounts;
}

/** What a look at a canary judges by. */
export interface CanaryLook {
  /** The steps so far, each by itself. A step that was paused is one, and one whose share a person changed is two. */
  steps: readonly StepCounts[];
  /** The limit: a share from 0 to 1. */
  maxFailedShare: number;
  /** How many samples each arm needs, over all of these steps; at least one. */
  minSamples: number;
  /** Which look of the rollout it is: 1, 2, … Every look counts, also one that was inconclusive. */
  look: number;
  /** How many looks were planned when the rollout began: one for each step. The same at every look. */
  looks: number;
}

/** What an arm has come to over all steps. */
export interface ArmSummary extends Outcomes {
  /** Of the samples, from 0 to 1. */
  share: number;
}

/** What follows from a look at a canary. */
export interface CanaryVerdict {
  /**
   * - `pass`: its share of failures is within the limit, and both arms have enough samples.
   * - `abandon`: its share is above the limit, and it is proven to fail more often than the base.
   * - `inconclusive`: anything else. A person decides.
   */
  verdict: "pass" | "abandon" | "inconclusive";
  /** In a sentence for people. */
  why: string;
  canary: ArmSummary;
  base: ArmSummary;
  /** How likely the canary has that many of the failures if it is as good as the base. */
  p: number;
}

/**
 * Judges a canary at the end of a step. Proof that it is bad needs no number of samples; nothing lets it pass without.
 *
 * It is abandoned where `p` is at most its part of the 5 % that all looks have together (Bonferroni's inequality; Lan and DeMets,
 * Discrete sequential boundaries for clinical trials, Biometrika 70 (1983)). So at most one rollout in twenty is abandoned
 * whose canary is as good as its base, whatever both fail.
 */
export function judgeCanary({ steps, maxFailedShare, minSamples, look, looks }: CanaryLook): CanaryVerdict {
  const arms = {
    canary: summaryOf(steps.map(({ canary }) => canary)),
    base: summaryOf(steps.map(({ base }) => base)),
  };
  const p = chanceOfSoMany(
    steps.map(({ canary, base }) => ({ canary: outcomesOf(canary), base: outcomesOf(base) })),
  );
  const judged = (verdict: CanaryVerdict["verdict"], why: string) => ({ verdict, why, ...arms, p });

  const limit = percentText(maxFailedShare);
  const shares = `${armText("the canary", arms.canary)}, ${armText("the base", arms.base)}`;
  const isAboveLimit = arms.canary.share > maxFailedShare;
  if (isAboveLimit && p <= provenUpTo(look, looks)) {
    return judged("abandon", `above the limit of ${limit}, and worse than the base: ${shares}`);
  }
  if (isAboveLimit) {
    return judged(
      "inconclusive",
      `above the limit of ${limit}, but not proven to be worse than the base: ${shares}`,
    );
  }
  const needed = Math.max(1, minSamples);
  const short = (["canary", "base"] as const).filter((arm) => arms[arm].samples < needed);
  if (short.length > 0) {
    const have = short.map((arm) => `the ${arm} has ${arms[arm].samples}`).join(" and ");
    return judged("inconclusive", `too few sessions to judge by: ${have} of ${needed}`);
  }
  return judged("pass", `within the limit of ${limit}: ${shares}`);
}

/** Up to which `p` a look proves that the canary is worse. Over all looks that there can be they add up to `falselyAbandoned`. */
function provenUpTo(look: number, looks: number): number {
  if (look <= looks) return falselyAbandoned.planned / looks;
  const beyond = look - looks;
  return falselyAbandoned.beyond / (beyond * (beyond + 1));
}

function summaryOf(steps: readonly ArmCounts[]): ArmSummary {
  const counts = steps.reduce(addCounts, noCounts);
  return { ...outcomesOf(counts), share: failedShareOf(counts) };
}

function outcomesOf(counts: ArmCounts): Outcomes {
  return { samples: samplesOf(counts), failed: failuresOf(counts) };
}

/** @example armText("the canary", { samples: 20, failed: 3, share: 0.15 }) // "3 of 20 sessions of the canary failed (15 %)" */
function armText(name: string, { samples, failed, share }: ArmSummary): string {
  return `${failed} of ${samples} sessions of ${name} failed (${percentText(share)})`;
}

/** @example percentText(0.1234) // "12.3 %" */
function percentText(share: number): string {
  return `${Number((100 * share).toFixed(1))} %`;
}
