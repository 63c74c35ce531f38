import { describe, expect, test } from "vitest";
import {
  confirmLogin,
  type LoginAttempt,
  loginCode,
  tryLoginCode,
} from "../../../src/domain/credentials/login-attempt.ts";

const now = Date.parse("2030-01-01T00:00:00Z");
const expiresAt = now + 60_000;
const ada = { account: "acme", tokenId: "tokenofada00" };
const open: LoginAttempt = { ...ada, expiresAt, code: "0427", wrongTries: 0, completed: false };
const over = { ok: false, error: { code: "login_not_found" } };
const noNewCode = () => {
  throw new Error("a new code was made");
};

describe("a code", () => {
  test("is any of the 10,000 texts of four digits, each as often as any other", () => {
    const counts = new Map<string, number>();
    for (let number = 0; number < 60_000; number++) {
      const code = loginCode(() => number);
      counts.set(code, (counts.get(code) ?? 0) + 1);
    }
    expect(counts.size).toBe(10_000);
    expect(new Set(counts.values())).toEqual(new Set([6]));
    expect([...counts.keys()].every((code) => /^\d{4}$/.test(code))).toBe(true);
  });

  test("is not made of numbers that would make some codes likelier", () => {
    const numbers = [65_535, 60_000, 427];
    expect(loginCode(() => numbers.shift() ?? 0)).toBe("0427");
  });
});

describe("confirming", () => {
  test("makes an attempt of the person's with a new code", () => {
    expect(confirmLogin(undefined, { ...ada, expiresAt }, () => "0427", now)).toEqual({
      ok: true,
      value: open,
    });
  });

  test("again, by the same person, changes nothing", () => {
    const tried = { ...open, wrongTries: 4 };
    expect(confirmLogin(tried, { ...ada, expiresAt }, noNewCode, now)).toEqual({ ok: true, value: tried });
  });

  test.for([
    ["token", { ...ada, tokenId: "tokenofeve00" }],
    ["account", { ...ada, account: "other" }],
  ] as const)("by a person of another %s is refused", ([, person]) => {
    const refused = confirmLogin(open, { ...person, expiresAt }, noNewCode, now);
    expect(refused).toMatchObject({ ok: false, error: { code: "login_taken" } });
  });

  test.for([
    ["completed", { ...open, completed: true }],
    ["tried out", { ...open, wrongTries: 5 }],
    ["expired", { ...open, expiresAt: now }],
  ] as const)("what is %s shows no code", ([, attempt]) => {
    expect(confirmLogin(attempt, { ...ada, expiresAt }, noNewCode, now)).toMatchObject(over);
  });

  test("from the millisecond of its end on is refused", () => {
    expect(confirmLogin(undefined, { ...ada, expiresAt }, noNewCode, expiresAt)).toMatchObject(over);
    expect(confirmLogin(undefined, { ...ada, expiresAt }, () => "0427", expiresAt - 1).ok).toBe(true);
  });
});

describe("trying the code", () => {
  test("with the right one returns who logs in, once", () => {
    const first = tryLoginCode(open, true, now);
    expect(first.answer).toEqual({ ok: true, value: ada });
    expect(first.attempt).toEqual({ ...open, completed: true });
    expect(tryLoginCode(first.attempt, true, now).answer).toMatchObject(over);
  });

  test("says how many tries are left, and five wrong ones end it", () => {
    let attempt = open;
    for (const left of [4, 3, 2, 1, 0]) {
      const tried = tryLoginCode(attempt, false, now);
      expect(tried.answer).toMatchObject({
        ok: false,
        error: { code: "forbidden", details: { tries_left: left } },
      });
      attempt = tried.attempt;
    }
    expect(tryLoginCode(attempt, true, now)).toMatchObject({ attempt, answer: over });
  });

  test("may still succeed at the fifth try", () => {
    expect(tryLoginCode({ ...open, wrongTries: 4 }, true, now).answer.ok).toBe(true);
  });

  test("from the millisecond of the end on is refused, and no try is counted", () => {
    expect(tryLoginCode(open, true, expiresAt - 1).answer.ok).toBe(true);
    const late = tryLoginCode(open, false, expiresAt);
    expect(late).toMatchObject({ attempt: open, answer: over });
  });
});

test.for([
  [0, "4 tries left"],
  [3, "1 try left"],
  [4, "no tries left: begin another login"],
] as const)("a wrong code after %i others is answered with: %s", ([wrongTries, words]) => {
  const { answer } = tryLoginCode({ ...open, wrongTries }, false, now);
  expect(answer).toMatchObject({ error: { message: expect.stringMatching(new RegExp(`; ${words}$`)) } });
});
