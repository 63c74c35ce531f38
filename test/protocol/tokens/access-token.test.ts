import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { namePattern } from "../../../src/domain/names.ts";
import {
  constantTimeEqual,
  formatAccessToken,
  hashSecret,
  parseAccessToken,
} from "../../../src/protocol/tokens/access-token.ts";

const id = "0123456789ab";
const secret = `${"A-_z0".repeat(8)}abc`;
const good = `acme_${id}.${secret}`;

describe("an access token", () => {
  test("has an account, an id and a secret", () => {
    expect(parseAccessToken(good)).toEqual({ account: "acme", id, secret });
  });

  test("is read again as it was written", () => {
    const parts = fc.record({
      account: fc.stringMatching(namePattern),
      id: fc.stringMatching(/^[0-9a-z]{12}$/),
      secret: fc.stringMatching(/^[A-Za-z0-9_-]{43}$/),
    });
    fc.assert(
      fc.property(parts, (token) => {
        expect(parseAccessToken(formatAccessToken(token))).toEqual(token);
      }),
    );
  });

  test("is split by the GitHub action at its first period into user and password", () => {
    fc.assert(
      fc.property(fc.stringMatching(namePattern), (account) => {
        const token = formatAccessToken({ account, id, secret });
        expect(token.slice(0, token.indexOf("."))).toBe(`${account}_${id}`);
      }),
    );
  });

  const bad: [string, why: string][] = [
    ["", "empty"],
    ["_.", "separators only"],
    [`acme.${id}_${secret}`, "separators swapped"],
    [`acme_${id}${secret}`, "no period"],
    [`${"a".repeat(29)}_${id}x`, "no period, and as long as a secret"],
    [`acme${id}.${secret}`, "no underscore"],
    ["acme.", "no underscore and a period at the end"],
    [`_${id}.${secret}`, "no account"],
    [`Acme_${id}.${secret}`, "an account in upper case"],
    [`-acme_${id}.${secret}`, "an account that is no name"],
    [`a.b_${id}.${secret}`, "an account with a period"],
    [`${"a".repeat(41)}_${id}.${secret}`, "an account of 41 characters"],
    [`acme_${id}a.${secret}`, "an id too long"],
    [`acme_${id.slice(1)}.${secret}`, "an id too short"],
    [`acme_${id.toUpperCase()}.${secret}`, "an id in upper case"],
    [`acme_.${secret}`, "no id"],
    [`acme_${id}.`, "no secret"],
    [`acme_${id}.${secret}a`, "a secret too long"],
    [`acme_${id}.${secret.slice(1)}`, "a secret too short"],
    [`acme_${id}.${secret.slice(1)}=`, "a secret with padding"],
    [`acme_${id}.${secret.slice(1)}.`, "a second period"],
    [`acme_${id}.${secret}\n`, "a line end"],
    [` ${good}`, "a space first"],
    [`Bearer ${good}`, "the scheme"],
  ];
  test.for(bad)("%j cannot be one: %s", ([text]) => {
    expect(parseAccessToken(text)).toBeNull();
  });

  test("that was read is the text that was given", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z_.0-9-]{50,70}$/)), (text) => {
        const token = parseAccessToken(text);
        if (token) expect(formatAccessToken(token)).toBe(text);
      }),
    );
  });
});

describe("a stored secret", () => {
  test("is SHA-256 in hexadecimal", async () => {
    for (const text of ["", "abc", secret, "\u00fc\u{1f4a1}"]) {
      expect(await hashSecret(text)).toBe(createHash("sha256").update(text, "utf8").digest("hex"));
    }
  });

  test("is compared like any text", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        expect(constantTimeEqual(a, b)).toBe(a === b);
        expect(constantTimeEqual(a, a)).toBe(true);
        expect(constantTimeEqual(a, `${a}\0`)).toBe(false);
        expect(constantTimeEqual(`${a}\0`, a)).toBe(false);
      }),
    );
  });

  test("differs by any one character", () => {
    const hash = "0123456789abcdef".repeat(4);
    for (let i = 0; i < hash.length; i++) {
      expect(constantTimeEqual(hash, `${hash.slice(0, i)}x${hash.slice(i + 1)}`)).toBe(false);
    }
  });
});
