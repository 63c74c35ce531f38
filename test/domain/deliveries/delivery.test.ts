import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AttemptResult, judgeAttempt, retryAfterMs } from "../../../src/domain/deliveries/delivery.ts";

function answer(
  status: number,
  extra: Partial<Extract<AttemptResult, { outcome: "response" }>> = {},
): AttemptResult {
  return { outcome: "response", status, retryAfter: null, body: "", location: null, ...extra };
}

describe("what an attempt's result means", () => {
  const cases: [status: number, verdict: "delivered" | "refused" | "retry"][] = [
    [200, "delivered"],
    [201, "delivered"],
    [202, "delivered"],
    [204, "delivered"],
    [299, "delivered"],
    [300, "refused"],
    [301, "refused"],
    [302, "refused"],
    [304, "refused"],
    [307, "refused"],
    [308, "refused"],
    [400, "refused"],
    [401, "refused"],
    [403, "refused"],
    [404, "refused"],
    [408, "refused"],
    [409, "refused"],
    [410, "refused"],
    [422, "refused"],
    [428, "refused"],
    [429, "retry"],
    [430, "refused"],
    [499, "refused"],
    [500, "retry"],
    [501, "retry"],
    [502, "retry"],
    [503, "retry"],
    [504, "retry"],
    [529, "retry"],
    [599, "retry"],
  ];
  test.for(cases)("an answer with %i is %s", ([status, verdict]) => {
    expect(judgeAttempt(answer(status))).toMatchObject({ verdict });
  });

  test("a timeout and a connection error may be repeated", () => {
    expect(judgeAttempt({ outcome: "timeout" })).toMatchObject({ verdict: "retry", retryAfterMs: 0 });
    const refused = judgeAttempt({ outcome: "connection_error", message: "connection refused" });
    expect(refused).toMatchObject({ verdict: "retry", retryAfterMs: 0 });
    expect(refused).toHaveProperty("message", expect.stringContaining("connection refused"));
  });

  test("only a 429 says that the cluster did not act on what it is to be sent again", () => {
    const declined = (result: AttemptResult) => {
      const verdict = judgeAttempt(result);
      return verdict.verdict === "retry" && verdict.declined;
    };
    expect(declined(answer(429))).toBe(true);
    for (const status of [500, 502, 503, 504]) expect(declined(answer(status))).toBe(false);
    expect(declined({ outcome: "timeout" })).toBe(false);
    expect(declined({ outcome: "connection_error", message: "reset" })).toBe(false);
  });

  test("a delivered answer hands its body on", () => {
    expect(judgeAttempt(answer(200, { body: '{"url":"https://x.example"}' }))).toEqual({
      verdict: "delivered",
      body: '{"url":"https://x.example"}',
    });
  });

  test.for([429, 500, 503])("Retry-After of an answer with %i is taken over", (status) => {
    expect(judgeAttempt(answer(status, { retryAfter: "7" }))).toMatchObject({ retryAfterMs: 7000 });
  });

  test("a redirect says where it led", () => {
    expect(judgeAttempt(answer(302, { location: "http://169.254.169.254/" }))).toMatchObject({
      verdict: "refused",
      status: 302,
      message: expect.stringMatching(/redirect \(302 to http:\/\/169\.254\.169\.254\/\)/),
    });
  });
});

describe("what a refusal says", () => {
  test("is the cluster's own message", () => {
    expect(judgeAttempt(answer(409, { body: '{"error":{"message":"no GPU left"}}' }))).toEqual({
      verdict: "refused",
      status: 409,
      message: "no GPU left",
    });
  });

  const unusable = [
    "",
    "no",
    "null",
    "[]",
    "1",
    '"text"',
    "{}",
    '{"error":null}',
    '{"error":"text"}',
    '{"error":{}}',
    '{"error":{"message":1}}',
    '{"error":{"message":null}}',
    '{"error":{"message":"cut sho',
  ];
  test.for(unusable)("is the status where the body is %j", (body) => {
    expect(judgeAttempt(answer(400, { body }))).toMatchObject({ message: "the cluster answered 400" });
  });

  test("goes with the status where it may be delivered later", () => {
    const body = JSON.stringify({ error: { message: "the disk is full" } });
    expect(judgeAttempt(answer(503, { body }))).toMatchObject({
      verdict: "retry",
      message: "the cluster answered 503: the disk is full",
    });
    expect(judgeAttempt(answer(503, { body: "busy" }))).toMatchObject({
      message: "the cluster answered 503",
    });
  });

  test("is at most 1,000 characters of it", () => {
    const body = JSON.stringify({ error: { message: "x".repeat(5000) } });
    expect(judgeAttempt(answer(400, { body }))).toMatchObject({ message: "x".repeat(1000) });
  });
});

describe("any answer", () => {
  test("is judged without a failure", () => {
    const body = fc.oneof(fc.string(), fc.json());
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 999 }),
        body,
        fc.option(fc.string()),
        (status, text, header) => {
          const verdict = judgeAttempt(answer(status, { body: text, retryAfter: header, location: header }));
          expect(["delivered", "refused", "retry"]).toContain(verdict.verdict);
        },
      ),
    );
  });
});

describe("Retry-After", () => {
  const cases: [header: string | null, ms: number][] = [
    [null, 0],
    ["", 0],
    ["0", 0],
    ["1", 1000],
    [" 2 ", 2000],
    ["300", 300_000],
    ["301", 300_000],
    ["999999", 300_000],
    ["9999999", 0],
    ["-1", 0],
    ["1.5", 0],
    ["1e3", 0],
    ["0x10", 0],
    ["soon", 0],
    ["Wed, 21 Oct 2026 07:28:00 GMT", 0],
  ];
  test.for(cases)("%j is %i ms", ([header, ms]) => {
    expect(retryAfterMs(header)).toBe(ms);
  });
});
