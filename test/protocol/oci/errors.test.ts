import { describe, expect, test } from "vitest";
import { ociFail, toOciErrors } from "../../../src/protocol/oci/errors.ts";

describe("a refusal of the registry", () => {
  /** OCI Distribution 1.1, "Error codes". */
  test.each([
    ["BLOB_UNKNOWN", 404],
    ["BLOB_UPLOAD_INVALID", 400],
    ["BLOB_UPLOAD_UNKNOWN", 404],
    ["DIGEST_INVALID", 400],
    ["MANIFEST_BLOB_UNKNOWN", 400],
    ["MANIFEST_INVALID", 400],
    ["MANIFEST_UNKNOWN", 404],
    ["NAME_INVALID", 400],
    ["NAME_UNKNOWN", 404],
    ["SIZE_INVALID", 400],
    ["UNAUTHORIZED", 401],
    ["DENIED", 403],
    ["UNSUPPORTED", 405],
    ["TOOMANYREQUESTS", 429],
  ] as const)("with the code %s has the status %i where none is given", (code, status) => {
    expect(ociFail(code, "no")).toStrictEqual({ ok: false, error: { code, message: "no", status } });
  });

  test("may have another status, and what programs read", () => {
    const detail = { missing: ["sha256:a", "sha256:b"], repository: "acme/hello" };
    expect(ociFail("MANIFEST_BLOB_UNKNOWN", "two are missing", { status: 404, detail })).toStrictEqual({
      ok: false,
      error: { code: "MANIFEST_BLOB_UNKNOWN", message: "two are missing", status: 404, detail },
    });
  });
});

describe("the body of a refusal", () => {
  test("is a list of one, with its detail", () => {
    const detail = { missing: ["sha256:a"] };
    expect(toOciErrors({ code: "MANIFEST_BLOB_UNKNOWN", message: "one is missing", detail })).toStrictEqual({
      errors: [{ code: "MANIFEST_BLOB_UNKNOWN", message: "one is missing", detail }],
    });
  });

  test("has null for a detail that there is not", () => {
    expect(toOciErrors({ code: "DENIED", message: "no" })).toStrictEqual({
      errors: [{ code: "DENIED", message: "no", detail: null }],
    });
  });
});
