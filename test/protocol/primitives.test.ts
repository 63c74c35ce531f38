import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { z } from "zod";
import { isoTime, jsonObject, key, line, note, seconds, timestamp } from "../../src/protocol/primitives.ts";

describe("a key", () => {
  test.for([
    ["one character", "k", true],
    ["128 characters", "k".repeat(128), true],
    ["128 characters outside the basic plane", "\u{1f4a1}".repeat(128), true],
    ["blanks and slashes", " / \u00a0", true],
    ["a NUL", "k\0", false],
    ["a line end", "a\nb", false],
    ["a control character beyond ASCII", "a\u0085b", false],
    ["nothing", "", false],
    ["129 characters", "k".repeat(129), false],
    ["129 characters outside the basic plane", "\u{1f4a1}".repeat(129), false],
    ["half a character", "\ud83d", false],
    ["the halves of a character in the wrong order", "\udca1\ud83d", false],
  ] as const)("of %s is one: %s", ([, text, good]) => {
    expect(key.safeParse(text).success).toBe(good);
  });

  test("that is taken is the same after its journey through UTF-8", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff), { maxLength: 130 }), (units) => {
        const parsed = key.safeParse(String.fromCharCode(...units));
        if (!parsed.success) return;
        expect(
          new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(parsed.data)),
        ).toBe(parsed.data);
      }),
    );
  });
});

test("keys, lines and notes hold every character but control characters, and notes line ends and tabs too", () => {
  const texts = [...Array.from({ length: 0x10000 }, (_, unit) => String.fromCharCode(unit)), "\u{10ffff}"];
  const taken = (schema: z.ZodType) => texts.filter((text) => schema.safeParse(text).success);
  const plain = texts.filter((text) => !/\p{Cc}/u.test(text));
  expect(taken(line(2))).toEqual(plain);
  expect(taken(note)).toEqual(texts.filter((text) => !/\p{Cc}/u.test(text) || "\t\r\n".includes(text)));
  expect(taken(key)).toEqual(plain.filter((text) => text.isWellFormed()));
});

test("a line has at most as many characters as are allowed, and a refusal says what a line is", () => {
  const messages = (text: string) =>
    line(3)
      .safeParse(text)
      .error?.issues.map(({ message }) => message);
  expect(messages("")).toBeUndefined();
  expect(messages("abc")).toBeUndefined();
  expect(messages("abcd")).toEqual(["at most 3 characters"]);
  expect(messages("a\n")).toEqual(["no line ends or other control characters"]);
});

describe("times", () => {
  test("milliseconds are written as ISO 8601 in UTC and read again", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) }), (ms) => {
        expect(Date.parse(timestamp.parse(isoTime(ms)))).toBe(ms);
      }),
    );
  });

  test.for([
    "2026-11-23",
    "2026-11-23T09:00:00",
    "2026-11-23T09:00:00+01:00",
    "2026-02-30T00:00:00Z",
    "now",
    "",
  ])("%j is not a timestamp", (text) => {
    expect(timestamp.safeParse(text).success).toBe(false);
  });

  test.for([
    [1, true],
    [315_360_000, true],
    [0, false],
    [-1, false],
    [0.5, false],
    [315_360_001, false],
    [Number.NaN, false],
    ["60", false],
  ] as const)("%j seconds are allowed: %s", ([value, allowed]) => {
    expect(seconds.safeParse(value).success).toBe(allowed);
  });
});

test("a JSON object is an object, with JSON in it", () => {
  for (const good of [{}, { a: [1, null, { b: "c" }] }]) expect(jsonObject.parse(good)).toEqual(good);
  for (const bad of [null, [], "x", { a: undefined }, { a: Number.NaN }, { a: () => 1 }]) {
    expect(jsonObject.safeParse(bad).success).toBe(false);
  }
});
