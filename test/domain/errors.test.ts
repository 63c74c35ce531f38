import { describe, expect, test } from "vitest";
import { errorStatus } from "../../src/domain/errors.ts";
import { fail, ok } from "../../src/domain/result.ts";

describe("error codes", () => {
  test.for(Object.entries(errorStatus))(
    "`%s` is in snake case and has an error's status (%i)",
    ([code, status]) => {
      expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThanOrEqual(504);
    },
  );

  test.for(Object.entries(errorStatus).filter(([code]) => code.endsWith("_not_found")))(
    "`%s` is a 404",
    ([, status]) => {
      expect(status).toBe(404);
    },
  );

  test("only these are taken as authentication errors by the Jamsocket clients", () => {
    const authentication = Object.entries(errorStatus).filter(([, status]) =>
      [401, 403, 407].includes(status),
    );
    expect(authentication.map(([code]) => code)).toEqual(["unauthorized", "forbidden", "quota_exceeded"]);
  });
});

describe("results", () => {
  test("are plain data that a structured clone keeps", () => {
    const refused = fail("key_terminating", "wait", { retryAfterSeconds: 1, details: { a: ["b"] } });
    expect(structuredClone(refused)).toEqual({
      ok: false,
      error: { code: "key_terminating", message: "wait", retryAfterSeconds: 1, details: { a: ["b"] } },
    });
    expect(structuredClone(ok(5))).toEqual({ ok: true, value: 5 });
  });

  test("leave out extras that were not given", () => {
    expect(Object.keys(fail("not_found", "gone").error)).toEqual(["code", "message"]);
  });
});
