import type { CanaryVerdict } from "./verdict.ts";

/** One step of a canary: its share of the sessions, and what must be over before it is judged. */
export interface CanaryStep {
  /** Above 0, up to 100. */
  percent: number;
  forSeconds: number;
  minSamples: number;
}

/** How a canary goes on: by steps, each judged at its end, or at a percentage that only a person changes. */
export type CanaryPlan = { steps: readonly CanaryStep[] } | { percent: number };

/** How many steps a canary can have. */
export const canaryStepsMax = 20;

/** Where a canary is. Plain data, which can be stored as JSON. Times in milliseconds since the epoch. */
export interface CanaryState {
  /** As planned; none where only a person changes the percentage. */
  steps: readonly CanaryStep[];
  /**
   * - `running`: the present step's time passes.
   * - `paused`: it does not. The canary keeps its share of the sessions.
   * - `passed`: every step is over. It keeps the last one's share until a person promotes it.
   * - `abandoned`: it has no share any more.
   */
  phase: "running" | "paused" | "passed" | "abandoned";
  /** Why it is paused: a person asked for it, or a look was inconclusive. */
  pausedBy?: "person" | "inconclusive";
  /** The present step: 0, 1, … */
  step: number;
  /** Its share of the sessions now, which a person may have set. */
  percent: number;
  /** For how long the present step had run when it was last started or paused, without pauses. */
  ranMs: number;
  /** When it was last started or paused. */
  since: number;
  /** How often the canary was judged. */
  looks: number;
}

/** What is wrong with a plan, in words for people; null where nothing is. */
export function planProblem(plan: CanaryPlan): string | null {
  if ("percent" in plan) return isPercent(plan.percent) ? null : "a percentage is from 0 to 100";
  const { steps } = plan;
  if (steps.length === 0 || steps.length > canaryStepsMax) return `a canary has 1 to ${canaryStepsMax} steps`;
  if (steps.some(({ percent }) => !isPercent(percent))) return "a percentage is from 0 to 100";
  const rises = steps.every(({ percent }, i) => percent > (steps[i - 1]?.percent ?? 0));
  return rises ? null : "each step has a greater percentage than the one before, and the first more than 0";
}

/** The beginning of a canary whose plan has no problem. */
export function startCanary(plan: CanaryPlan, now: number): CanaryState {
  const steps = "steps" in plan ? plan.steps : [];
  const percent = "steps" in plan ? (plan.steps[0]?.percent ?? 0) : plan.percent;
  return { steps, phase: "running", step: 0, percent, ranMs: 0, since: now, looks: 0 };
}

/** When the present step is over and the canary is to be judged; null while it is not to be. */
export function dueAt({ steps, phase, step, ranMs, since }: CanaryState): number | null {
  const present = steps[step];
  if (phase !== "running" || present === undefined) return null;
  return since + Math.max(0, present.forSeconds * 1000 - ranMs);
}

/** What the verdict needs to know of where a canary is (`CanaryLook`). A canary without steps is not judged. */
export function nextLook({ steps, step, looks }: CanaryState): {
  look: number;
  looks: number;
  minSamples: number;
} {
  return { look: looks + 1, looks: steps.length, minSamples: steps[step]?.minSamples ?? 0 };
}

/** Stops the present step's time. One that does not run stays as it is. */
export function pause(state: CanaryState, now: number): CanaryState {
  if (state.phase !== "running") return state;
  const ranMs = state.ranMs + Math.max(0, now - state.since);
  return { ...state, phase: "paused", pausedBy: "person", ranMs, since: now };
}

/**
 * Lets the present step go on: with the time that it had left, or after an inconclusive look with the whole of it, so that
 * the next look has more to judge by. One that is not paused stays as it is.
 */
export function resume(state: CanaryState, now: number): CanaryState {
  if (state.phase !== "paused") return state;
  const { pausedBy: _, ...rest } = state;
  return { ...rest, phase: "running", since: now };
}

/**
 * Sets the canary's share. With steps, the last one of no greater percentage begins anew, with this share: what was seen at
 * another is no evidence for the time at this one. When it is over, the next greater step follows. A canary that is paused stays so,
 * one that has passed runs again, and one that was abandoned or has this share stays as it is.
 * @param percent 0 to 100
 */
export function setPercent(state: CanaryState, percent: number, now: number): CanaryState {
  if (state.phase === "abandoned" || state.percent === percent) return state;
  const step = Math.max(
    0,
    state.steps.findLastIndex((each) => each.percent <= percent),
  );
  const phase = state.phase === "paused" ? "paused" : "running";
  return { ...state, phase, step, percent, ranMs: 0, since: now };
}

/**
 * What follows from the verdict at the end of a step: the next one, which has its whole time from now on however late it is, so
 * that an absence of the control plane is one step at most. Before the step is over, nothing follows.
 * @param verdict of the look that `nextLook` says
 */
export function afterStep(state: CanaryState, verdict: CanaryVerdict["verdict"], now: number): CanaryState {
  const due = dueAt(state);
  if (due === null || now < due) return state;
  const seen = { ...state, looks: state.looks + 1, ranMs: 0, since: now };
  if (verdict === "abandon") return { ...seen, phase: "abandoned", percent: 0 };
  if (verdict === "inconclusive") return { ...seen, phase: "paused", pausedBy: "inconclusive" };
  const next = state.steps.findIndex(({ percent }) => percent > state.percent);
  const step = state.steps[next];
  return step === undefined ? { ...seen, phase: "passed" } : { ...seen, step: next, percent: step.percent };
}

function isPercent(percent: number): boolean {
  return percent >= 0 && percent <= 100;
}
