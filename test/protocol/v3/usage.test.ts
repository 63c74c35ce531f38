import { describe, expect, test } from "vitest";
import { usageAnswer, usageRange, usageView } from "../../../src/protocol/v3/usage.ts";

const now = Date.UTC(2026, 10, 23, 12);

describe("the range of a query for usage", () => {
  test.for([
    ["the last hour when nothing is named", {}, [11, 12]],
    ["the hour before its end", { to: "2026-11-23T10:00:00Z" }, [9, 10]],
    ["up to now", { from: "2026-11-23T08:00:00Z" }, [8, 12]],
    [
      "from one time to another, with any offset",
      { from: "2026-11-23T08:00:00+02:00", to: "2026-11-23T08:00:00Z" },
      [6, 8],
    ],
    ["what it names, whether or not that makes sense", { from: "2026-11-23T23:00:00Z" }, [23, 12]],
  ] as const)("is %s", ([, query, [fromHour, toHour]]) => {
    expect(usageRange({ ...query, step_seconds: 300 }, now)).toEqual({
      from: Date.UTC(2026, 10, 23, fromHour),
      to: Date.UTC(2026, 10, 23, toHour),
      stepMs: 300_000,
    });
  });
});

describe("usage as it is answered", () => {
  const counts = { spawned: 5, reused: 4, refused: 3, ready: 2, failed: 1 };
  const none = { spawned: 0, reused: 0, refused: 0, ready: 0, failed: 0 };
  const answer = usageView(
    [
      {
        environment: "prod",
        points: [
          { at: now, ...counts },
          { at: now + 60_000, ...none },
        ],
        totals: counts,
        startup: { count: 2, p50Ms: 800, p90Ms: 1500, p99Ms: 3000 },
      },
      { environment: "staging", points: [], totals: none, startup: null },
    ],
    60,
  );

  test("has each environment's points with their times, its totals, and how long start-ups took", () => {
    expect(answer).toStrictEqual({
      step_seconds: 60,
      environments: [
        {
          environment: "prod",
          points: [
            { at: "2026-11-23T12:00:00.000Z", ...counts },
            { at: "2026-11-23T12:01:00.000Z", ...none },
          ],
          totals: counts,
          startup: { count: 2, p50_ms: 800, p90_ms: 1500, p99_ms: 3000 },
        },
        { environment: "staging", points: [], totals: none, startup: null },
      ],
    });
  });

  test("shows nothing that is kept beside the counts", () => {
    const more = { ...counts, histogram: [1, 2] };
    const [environment] = usageView(
      [{ environment: "prod", points: [{ at: now, ...more }], totals: more, startup: null }],
      60,
    ).environments;
    expect(environment?.totals).toStrictEqual(counts);
    expect(environment?.points).toStrictEqual([{ at: "2026-11-23T12:00:00.000Z", ...counts }]);
  });

  test("is what its schema says, in which counts are whole and environments have all parts", () => {
    expect(usageAnswer.parse(answer)).toEqual(answer);
    const [prod] = answer.environments;
    for (const change of [
      { environment: undefined },
      { points: undefined },
      { points: [{ at: now, ...counts }] },
      { totals: { ...counts, spawned: 0.5 } },
      { totals: {} },
      { startup: undefined },
      { startup: { count: 2, p50_ms: 800, p90_ms: 1500 } },
    ]) {
      expect(usageAnswer.safeParse({ ...answer, environments: [{ ...prod, ...change }] }).success).toBe(
        false,
      );
    }
  });
});
