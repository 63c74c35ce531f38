import { describe, expect, test } from "vitest";
import { type ErrorCode, errorStatus } from "../../src/domain/errors.ts";
import { errorEnvelope, toErrorEnvelope } from "../../src/protocol/error-envelope.ts";

const codes = Object.keys(errorStatus).filter((code): code is ErrorCode => code in errorStatus);

describe("the error envelope", () => {
  test.for(codes)("of `%s` carries its status, code, message and request id", (code) => {
    const envelope = toErrorEnvelope({ code, message: "what was wrong" }, "req-1");
    expect(envelope).toEqual({
      error: { status: errorStatus[code], code, message: "what was wrong", id: "req-1" },
    });
    expect(errorEnvelope.parse(envelope)).toEqual(envelope);
  });

  test("carries details beside the message", () => {
    const details = { environments: ["prod", "staging"] };
    expect(
      toErrorEnvelope({ code: "environment_not_found", message: "m", details }, "r").error,
    ).toMatchObject(details);
  });

  test("is not overruled by details of the same names", () => {
    const details = { status: 200, code: "fine", message: "nothing happened", id: "other" };
    expect(toErrorEnvelope({ code: "forbidden", message: "m", details }, "r")).toEqual({
      error: { status: 403, code: "forbidden", message: "m", id: "r" },
    });
  });

  test("keeps the status where a client knows the error by another code", () => {
    expect(toErrorEnvelope({ code: "key_not_held", message: "m" }, "r", "NotFound").error).toMatchObject({
      status: 404,
      code: "NotFound",
    });
  });

  test("does not carry how long to wait: a header does", () => {
    const envelope = toErrorEnvelope({ code: "key_terminating", message: "m", retryAfterSeconds: 1 }, "r");
    expect(JSON.stringify(envelope)).not.toContain("retry");
  });
});
