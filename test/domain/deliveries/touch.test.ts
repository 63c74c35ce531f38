import { describe, expect, test } from "vitest";
import type { AttemptResult } from "../../../src/domain/deliveries/delivery.ts";
import { judgeTouch, mustBeTouched, type TouchOutcome } from "../../../src/domain/deliveries/touch.ts";

const now = 1_900_000_000_000;

describe("whether a backend must be touched before it is handed out", () => {
  const cases: [maxIdleSeconds: number, activeForMs: number, must: boolean][] = [
    [300, 0, false],
    [300, 150_000, false],
    [300, 150_001, true],
    [300, 299_999, true],
    [300, 3_600_000, true],
    [1, 500, false],
    [1, 501, true],
    [86_400, 43_200_000, false],
    [86_400, 43_200_001, true],
    [0, 0, false],
    [0, 999_999_999, false],
  ];
  test.for(cases)("with %i s of idle time, %i ms after it was active: %s", ([maxIdleSeconds, ago, must]) => {
    expect(mustBeTouched({ maxIdleSeconds, activeAt: now - ago }, now)).toBe(must);
  });
});

function answer(status: number, body = ""): AttemptResult {
  return { outcome: "response", status, date: null, retryAfter: null, body, location: null };
}

describe("what the answer to a touch shows", () => {
  const json = '{"error":{"message":"it is gone"}}';
  const page = "<html>nothing here</html>";
  const answers: [status: number, body: string, outcome: TouchOutcome][] = [
    [200, "{}", "alive"],
    [204, "", "alive"],
    [299, page, "alive"],
    [404, json, "ending"],
    [404, page, "unknown"],
    [404, "", "unknown"],
    [410, json, "ending"],
    [410, page, "unknown"],
    [302, "", "not_supported"],
    [400, json, "not_supported"],
    [401, json, "not_supported"],
    [405, "", "not_supported"],
    [409, json, "not_supported"],
    [415, "", "not_supported"],
    [422, json, "not_supported"],
    [501, "", "not_supported"],
    [408, json, "unknown"],
    [421, json, "unknown"],
    [425, json, "unknown"],
    [429, json, "unknown"],
    [500, json, "unknown"],
    [502, page, "unknown"],
    [503, json, "unknown"],
    [504, page, "unknown"],
  ];
  test.for(answers)("%i with the body %j: %s", ([status, body, outcome]) => {
    expect(judgeTouch(answer(status, body), false)).toBe(outcome);
  });

  test.for(answers)(
    "%i with the body %j says the same of a listed backend, but for 404",
    ([status, body, outcome]) => {
      expect(judgeTouch(answer(status, body), true)).toBe(status === 404 ? "unknown" : outcome);
    },
  );

  const unanswered: AttemptResult[] = [
    { outcome: "timeout" },
    { outcome: "connection_error", message: "refused" },
    { outcome: "unsent" },
  ];
  test.for(unanswered)("$outcome: nothing", (result) => {
    expect(judgeTouch(result, false)).toBe("unknown");
  });
});
