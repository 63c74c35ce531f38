import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  afterStep,
  type CanaryPlan,
  type CanaryState,
  canaryStepsMax,
  dueAt,
  nextLook,
  pause,
  planProblem,
  resume,
  setPercent,
  startCanary,
} from "../../../../src/domain/deploys/canary/steps.ts";

const minute = 60_000;
const now = 1_000_000_000;

const plan = {
  steps: [
    { percent: 10, forSeconds: 600, minSamples: 20 },
    { percent: 25, forSeconds: 1_200, minSamples: 50 },
    { percent: 50, forSeconds: 60, minSamples: 100 },
  ],
};

/** The canary after so many steps were passed in time, and when that was. */
function passed(steps: number): { canary: CanaryState; at: number } {
  let [canary, at] = [startCanary(plan, now), now];
  for (let i = 0; i < steps; i++) {
    at = dueAt(canary) ?? at;
    canary = afterStep(canary, "pass", at);
  }
  return { canary, at };
}

describe("a plan", () => {
  const step = (percent: number) => ({ percent, forSeconds: 60, minSamples: 1 });
  test.for<[CanaryPlan, string | null]>([
    [plan, null],
    [{ steps: [step(100)] }, null],
    [{ steps: [step(0.01), step(0.02)] }, null],
    [{ percent: 0 }, null],
    [{ percent: 100 }, null],
    [{ percent: 100.01 }, "a percentage is from 0 to 100"],
    [{ percent: -1 }, "a percentage is from 0 to 100"],
    [{ percent: Number.NaN }, "a percentage is from 0 to 100"],
    [{ steps: [step(50), step(101)] }, "a percentage is from 0 to 100"],
    [{ steps: [] }, "a canary has 1 to 20 steps"],
    [
      { steps: [step(0)] },
      "each step has a greater percentage than the one before, and the first more than 0",
    ],
    [
      { steps: [step(5), step(5)] },
      "each step has a greater percentage than the one before, and the first more than 0",
    ],
    [
      { steps: [step(9), step(5)] },
      "each step has a greater percentage than the one before, and the first more than 0",
    ],
  ])("like %j has the problem: %s", ([plan, problem]) => {
    expect(planProblem(plan)).toBe(problem);
  });

  test("has 20 steps at most", () => {
    const steps = Array.from({ length: canaryStepsMax + 1 }, (_, i) => step(i + 1));
    expect(planProblem({ steps })).toBe("a canary has 1 to 20 steps");
    expect(planProblem({ steps: steps.slice(1) })).toBeNull();
  });
});

describe("a canary with steps", () => {
  test("begins with the first one's share, and is due when its time is over", () => {
    const canary = startCanary(plan, now);
    expect(canary).toMatchObject({ phase: "running", step: 0, percent: 10 });
    expect(dueAt(canary)).toBe(now + 10 * minute);
    expect(nextLook(canary)).toEqual({ look: 1, looks: 3, minSamples: 20 });
  });

  test("takes one step after the other, and has passed after the last, which it keeps", () => {
    expect(passed(1)).toMatchObject({ canary: { step: 1, percent: 25 }, at: now + 10 * minute });
    expect(nextLook(passed(1).canary)).toEqual({ look: 2, looks: 3, minSamples: 50 });
    expect(passed(2)).toMatchObject({ canary: { step: 2, percent: 50 }, at: now + 30 * minute });
    expect(passed(3)).toMatchObject({
      canary: { phase: "passed", percent: 50, looks: 3 },
      at: now + 31 * minute,
    });
    expect(dueAt(passed(3).canary)).toBeNull();
    expect(afterStep(passed(3).canary, "abandon", now + 1_000 * minute)).toEqual(passed(3).canary);
  });

  test.for(["pass", "abandon", "inconclusive"] as const)(
    "does nothing by a verdict of %s before its step is over",
    (verdict) => {
      const canary = startCanary(plan, now);
      expect(afterStep(canary, verdict, now + 10 * minute - 1)).toEqual(canary);
      const paused = pause(canary, now + minute);
      expect(afterStep(paused, verdict, now + 100 * minute)).toEqual(paused);
    },
  );

  test("has no share any more when it is abandoned, and nothing brings it back", () => {
    const abandoned = afterStep(startCanary(plan, now), "abandon", now + 10 * minute);
    expect(abandoned).toMatchObject({ phase: "abandoned", percent: 0, looks: 1 });
    const later = now + 20 * minute;
    expect([
      dueAt(abandoned),
      afterStep(abandoned, "pass", later),
      pause(abandoned, later),
      resume(abandoned, later),
      setPercent(abandoned, 50, later),
    ]).toEqual([null, abandoned, abandoned, abandoned, abandoned]);
  });

  test("pauses where a look is inconclusive, and has the step's whole time again when it goes on", () => {
    const paused = afterStep(startCanary(plan, now), "inconclusive", now + 10 * minute);
    expect(paused).toMatchObject({ phase: "paused", pausedBy: "inconclusive", step: 0, percent: 10 });
    expect(dueAt(paused)).toBeNull();
    const resumed = resume(paused, now + 60 * minute);
    expect(resumed).toMatchObject({ phase: "running", step: 0 });
    expect(resumed.pausedBy).toBeUndefined();
    expect(dueAt(resumed)).toBe(now + 70 * minute);
    expect(nextLook(resumed)).toEqual({ look: 2, looks: 3, minSamples: 20 });
  });

  test("has after a pause the time that it had left before", () => {
    const paused = pause(startCanary(plan, now), now + 4 * minute);
    expect(paused).toMatchObject({ phase: "paused", pausedBy: "person", percent: 10 });
    expect(pause(paused, now + 50 * minute)).toEqual(paused);
    const resumed = resume(paused, now + 100 * minute);
    expect(dueAt(resumed)).toBe(now + 106 * minute);
    expect(resume(resumed, now + 101 * minute)).toEqual(resumed);
  });

  test("has after several pauses of one step the time that all of them left", () => {
    const twice = [2, 5].reduce(
      (canary, at) => {
        return resume(pause(canary, now + at * minute), now + (at + 1) * minute);
      },
      startCanary(plan, now),
    );
    expect(dueAt(twice)).toBe(now + 12 * minute);
  });

  test("that is overdue when it is paused is due at once when it goes on", () => {
    const resumed = resume(pause(startCanary(plan, now), now + 60 * minute), now + 90 * minute);
    expect(dueAt(resumed)).toBe(now + 90 * minute);
  });

  test("loses no time by a clock that was put back", () => {
    const paused = pause(startCanary(plan, now), now - 5 * minute);
    expect(dueAt(resume(paused, now))).toBe(now + 10 * minute);
  });

  test("takes one step after an outage of hours, and gives the next its whole time", () => {
    const late = now + 300 * minute;
    const next = afterStep(startCanary(plan, now), "pass", late);
    expect(next).toMatchObject({ step: 1, percent: 25 });
    expect(dueAt(next)).toBe(late + 20 * minute);
    expect(afterStep(next, "pass", late)).toEqual(next);
  });
});

describe("a share that a person sets", () => {
  test.for([
    [40, 1, 2],
    [25, 1, 2],
    [5, 0, 0],
    [0, 0, 0],
  ] as const)("of %d begins step %d anew, after which step %d follows", ([percent, present, following]) => {
    const at = now + 3 * minute;
    const canary = setPercent(startCanary(plan, now), percent, at);
    expect(canary).toMatchObject({ phase: "running", percent, step: present });
    const due = dueAt(canary) ?? 0;
    expect(due).toBe(at + (plan.steps[present]?.forSeconds ?? 0) * 1000);
    const next = afterStep(canary, "pass", due);
    expect(next).toMatchObject({
      phase: "running",
      step: following,
      percent: plan.steps[following]?.percent,
    });
  });

  test("of more than every step is judged as the last one, and then it has passed", () => {
    const canary = setPercent(startCanary(plan, now), 100, now);
    expect(canary).toMatchObject({ percent: 100, step: 2 });
    expect(afterStep(canary, "pass", now + minute)).toMatchObject({ phase: "passed", percent: 100 });
  });

  test("that it has already changes nothing", () => {
    const canary = startCanary(plan, now);
    expect(setPercent(canary, 10, now + minute)).toEqual(canary);
  });

  test("leaves a canary paused, and lets one that has passed run again", () => {
    const paused = setPercent(pause(startCanary(plan, now), now + minute), 30, now + 2 * minute);
    expect(paused).toMatchObject({ phase: "paused", percent: 30, step: 1 });
    expect(dueAt(resume(paused, now + 5 * minute))).toBe(now + 25 * minute);
    expect(setPercent(passed(3).canary, 20, now)).toMatchObject({ phase: "running", step: 0 });
  });

  test("is all that there is without steps: it is never due", () => {
    const canary = startCanary({ percent: 5 }, now);
    expect(canary).toMatchObject({ phase: "running", percent: 5 });
    const raised = setPercent(canary, 60, now + minute);
    expect(raised).toMatchObject({ phase: "running", percent: 60 });
    expect([dueAt(canary), dueAt(raised), dueAt(resume(pause(raised, now), now))]).toEqual([
      null,
      null,
      null,
    ]);
    expect(afterStep(raised, "abandon", now + 1_000 * minute)).toEqual(raised);
  });
});

/** What happens to a canary: time passes, a person pauses it or lets it go on, the control plane is away for so long. */
const happenings = fc.array(
  fc.oneof(
    fc.record({ do: fc.constantFrom("wait", "outage"), seconds: fc.nat(300) }),
    fc.record({ do: fc.constantFrom("pause", "resume"), seconds: fc.constant(0) }),
  ),
  { maxLength: 60, size: "max" },
);
const plans = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 25 }), fc.integer({ min: 1, max: 900 })), {
    minLength: 1,
    maxLength: 4,
  })
  .map((steps) => ({
    steps: steps.map(([rise, forSeconds], i) => ({
      percent: steps.slice(0, i).reduce((total, [before]) => total + before, rise),
      forSeconds,
      minSamples: 0,
    })),
  }));

test("whatever pauses and outages there are, a step is over when it has run its time without them, and an outage is one step", () => {
  fc.assert(
    fc.property(plans, happenings, (plan, happenings) => {
      let canary = startCanary(plan, now);
      let time = now;
      /** The seconds for which the present step ran, counted one by one. */
      let ran = 0;
      const look = () => {
        const before = canary;
        const isOver = before.phase === "running" && ran >= (plan.steps[before.step]?.forSeconds ?? 0);
        canary = afterStep(before, "pass", time);
        expect(canary.looks - before.looks).toBe(isOver ? 1 : 0);
        expect(canary.step - before.step).toBe(isOver && canary.phase === "running" ? 1 : 0);
        if (isOver) ran = 0;
      };
      for (const { do: what, seconds } of happenings) {
        if (what === "pause") canary = pause(canary, time);
        if (what === "resume") canary = resume(canary, time);
        for (let i = 0; i < seconds; i++) {
          time += 1000;
          if (canary.phase === "running") ran += 1;
          if (what === "wait") look();
        }
        // Twice: the second finds nothing to do, however long the outage was.
        look();
        look();
      }
    }),
    { numRuns: 20 },
  );
});

test("a canary that is read back from JSON is the same", () => {
  const states = [
    startCanary(plan, now),
    pause(startCanary(plan, now), now),
    startCanary({ percent: 1 }, now),
  ];
  expect(JSON.parse(JSON.stringify(states))).toEqual(states);
});
