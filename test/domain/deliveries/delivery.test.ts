import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AttemptResult,
  type DeliveryType,
  deliveryTypes,
  isNotThere,
  judgeAttempt as judge,
  retryAfterMs,
} from "../../../src/domain/deliveries/delivery.ts";

function answer(
  status: number,
  extra: Partial<Extract<AttemptResult, { outcome: "response" }>> = {},
): AttemptResult {
  return { outcome: "response", status, date: null, retryAfter: null, body: "", location: null, ...extra };
}

/** Of a request that is no webhook. */
const judgeAttempt = (result: AttemptResult) => judge(result, null);

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

  const ofWebhooks: [type: DeliveryType, status: number, body: string, verdict: "refused" | "retry"][] = [
    ["backend.spawn", 404, "{}", "retry"],
    ["backend.spawn", 408, "{}", "retry"],
    ["backend.spawn", 421, "{}", "retry"],
    ["backend.spawn", 425, "{}", "retry"],
    ["backend.spawn", 404, "default backend - 404", "retry"],
    ["backend.spawn", 400, "", "refused"],
    ["backend.spawn", 410, "", "refused"],
    ["backend.spawn", 422, "", "refused"],
    ["backend.terminate", 404, '{"error":{"message":"it does not run here"}}', "refused"],
    ["backend.terminate", 404, "{}", "refused"],
    ["backend.terminate", 404, "<html>404 Not Found</html>", "retry"],
    ["backend.terminate", 404, "404 page not found", "retry"],
    ["backend.terminate", 404, "", "retry"],
    ["backend.terminate", 408, "{}", "retry"],
    ["backend.terminate", 421, "{}", "retry"],
    ["backend.terminate", 425, "{}", "retry"],
    ["backend.terminate", 403, "{}", "refused"],
    ["image.pinned", 404, "", "refused"],
    ["image.pinned", 425, "", "refused"],
    ["cluster.ping", 404, "", "refused"],
    ["cluster.ping", 408, "", "refused"],
  ];
  test.for(ofWebhooks)("%s: an answer with %i and the body %j is %s", ([type, status, body, verdict]) => {
    expect(judge(answer(status, { body }), type)).toMatchObject({ verdict });
  });

  test("only a termination that is answered 404 with JSON says that the backend is not there", () => {
    for (const type of deliveryTypes) {
      for (const [status, body] of [
        [404, "{}"],
        [404, "not found"],
        [403, "{}"],
        [200, "{}"],
      ] as const) {
        const isIt = type === "backend.terminate" && status === 404 && body === "{}";
        expect(isNotThere(type, judge(answer(status, { body }), type))).toBe(isIt);
      }
    }
  });

  test("a timeout and a connection error may be repeated", () => {
    expect(judgeAttempt({ outcome: "timeout" })).toMatchObject({ verdict: "retry", retryAfterMs: 0 });
    const refused = judgeAttempt({ outcome: "connection_error", message: "connection refused" });
    expect(refused).toMatchObject({ verdict: "retry", retryAfterMs: 0 });
    expect(refused).toHaveProperty("message", expect.stringContaining("connection refused"));
  });

  test("an answer below 500 says that the cluster did not act on what it is to be sent again", () => {
    const declined = (result: AttemptResult) => {
      const verdict = judge(result, "backend.spawn");
      return verdict.verdict === "retry" && verdict.declined;
    };
    for (const status of [404, 408, 421, 425, 429]) expect(declined(answer(status))).toBe(true);
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
    ["Wed, 21 Oct 2026 07:28:00 GMT", 30_000],
    [" Wed, 21 Oct 2026 07:28:00 GMT ", 30_000],
    ["Wed, 21 Oct 2026 07:27:30 GMT", 0],
    ["Wed, 21 Oct 2026 07:27:29 GMT", 0],
    ["Wed, 21 Oct 2026 07:32:30 GMT", 300_000],
    ["Wed, 21 Oct 2027 07:28:00 GMT", 300_000],
    ["Wed, 41 Oct 2026 07:28:00 GMT", 0],
    ["Wed, 21 Oct 2026 07:28:00 CEST", 0],
    ["x Wed, 21 Oct 2026 07:28:00 GMT", 0],
    ["2026-10-21T07:28:00Z", 0],
  ];
  const date = "Wed, 21 Oct 2026 07:27:30 GMT";
  test.for(cases)("%j is %i ms", ([retryAfter, ms]) => {
    expect(retryAfterMs({ retryAfter, date })).toBe(ms);
  });

  test.for([null, "", "now", "2026-10-21T07:27:30Z"])("as a date says nothing in an answer of %j", (date) => {
    expect(retryAfterMs({ retryAfter: "Wed, 21 Oct 2026 07:28:00 GMT", date })).toBe(0);
    expect(retryAfterMs({ retryAfter: "7", date })).toBe(7000);
  });
});

describe("what is said of an attempt that failed", () => {
  const refused = (body: string) => judgeAttempt(answer(409, { body }));
  const plain = "the cluster answered 409";
  test.for([
    ['{"error":{"message":"no room"}}', "no room"],
    [`{"error":{"message":"${"x".repeat(2000)}"}}`, "x".repeat(1000)],
    ['{"error":{"message":7}}', plain],
    ['{"error":{}}', plain],
    ['{"error":null}', plain],
    ['{"error":"no room"}', plain],
    ['{"message":"no room"}', plain],
    ["null", plain],
    ['"error"', plain],
    ["7", plain],
    ["[]", plain],
    ["no room", plain],
    ["", plain],
  ] as const)("a refusal with the body %s says: %s", ([body, message]) => {
    expect(refused(body)).toEqual({ verdict: "refused", status: 409, message });
  });

  test.for([
    [answer(300), "a redirect (300), which"],
    [answer(399, { location: "/there" }), "a redirect (399 to /there), which"],
    [answer(199), "the cluster answered 199"],
    [answer(500), "the cluster answered 500"],
    [answer(429), "the cluster answered 429"],
    [{ outcome: "timeout" }, "did not answer in time"],
    [{ outcome: "unsent" }, "waited in vain"],
    [{ outcome: "connection_error", message: "reset" }, "could not be reached: reset"],
  ] as const satisfies [AttemptResult, string][])("%j: %s", ([result, words]) => {
    expect(judgeAttempt(result)).toMatchObject({ message: expect.stringContaining(words) });
  });

  test.for([
    [{ outcome: "unsent" }, true],
    [answer(429), true],
    [answer(500), false],
    [{ outcome: "timeout" }, false],
    [{ outcome: "connection_error", message: "reset" }, false],
  ] as const satisfies [AttemptResult, boolean][])(
    "after %j it is known that nothing was done: %s",
    ([result, declined]) => {
      expect(judgeAttempt(result)).toMatchObject({ verdict: "retry", declined });
    },
  );
});
