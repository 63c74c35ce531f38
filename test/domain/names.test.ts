import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { namesInDetailsMax, namesInMessageMax } from "../../src/domain/limits.ts";
import {
  isName,
  listOf,
  namePattern,
  namesIn,
  nearest,
  reservedAccountNames,
} from "../../src/domain/names.ts";

describe("names", () => {
  const good = ["a", "0", "ab", "a-b", "a--b", "0-9", "x".repeat(40), `a${"-".repeat(38)}b`];
  test.for(good)("`%s` is a name", (text) => {
    expect(isName(text)).toBe(true);
  });

  const bad: [string, why: string][] = [
    ["", "empty"],
    ["-", "a hyphen alone"],
    ["-a", "a hyphen first"],
    ["a-", "a hyphen last"],
    ["A", "upper case"],
    ["a_b", "an underscore, which ends the account in a token"],
    ["a.b", "a period, which ends a DNS label"],
    ["a/b", "a slash"],
    ["a b", "a space"],
    [" a", "a space first"],
    ["a\n", "a line end last"],
    ["a\nb", "a line end within"],
    ["é", "a letter outside ASCII"],
    ["ａ", "a full-width letter"],
    ["..", "a path segment of dots"],
    ["a\0", "a NUL"],
    ["x".repeat(41), "41 characters"],
  ];
  test.for(bad)("%j is not a name: %s", ([text]) => {
    expect(isName(text)).toBe(false);
  });

  test("every valid name is a DNS label that a URL leaves unchanged", () => {
    fc.assert(
      fc.property(fc.stringMatching(namePattern), (name) => {
        expect(new URL(`https://${name}x.example.com/${name}`).href).toBe(
          `https://${name}x.example.com/${name}`,
        );
        expect(name.length).toBeLessThanOrEqual(40);
      }),
    );
  });

  test("account names that clash with API paths are reserved", () => {
    expect(reservedAccountNames).toEqual(expect.arrayContaining(["service", "account", "backend"]));
  });
});

describe("suggestions", () => {
  test("the nearest candidate comes first", () => {
    expect(nearest("prdo", ["staging", "prod", "preview"])[0]).toBe("prod");
    expect(nearest("v12", ["latest", "v1", "v11", "v120"], 2)).toEqual(["v1", "v11"]);
  });

  test("ties keep the order they were given in", () => {
    expect(nearest("v", ["v3", "v2", "v1"])).toEqual(["v3", "v2", "v1"]);
  });

  test("at most the limit is suggested, each of them once, all of them candidates", () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.string()), fc.nat(8), (wanted, candidates, limit) => {
        const found = nearest(wanted, candidates, limit);
        expect(found.length).toBe(Math.min(limit, new Set(candidates).size));
        expect(new Set(found).size).toBe(found.length);
        for (const each of found) expect(candidates).toContain(each);
      }),
    );
  });

  test("a candidate that is the wanted name comes first", () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.string()), (wanted, others) => {
        expect(nearest(wanted, [...others, wanted])[0]).toBe(wanted);
      }),
    );
  });

  test("a list of names is readable, and `none` when there are none", () => {
    expect(listOf(["prod", "staging"])).toBe("`prod`, `staging`");
    expect(listOf([])).toBe("none");
  });

  test("of many names a message has the first, and its details more of them, with how many there are", () => {
    const names = Array.from({ length: 1_000 }, (_, i) => `n${i}`);
    const message = listOf(names);
    expect(message.split(", ")).toHaveLength(namesInMessageMax);
    expect(message).toMatch(/^`n0`, .*`n19` and 980 more$/);
    expect(listOf(names.slice(0, namesInMessageMax))).not.toContain("more");
    expect(namesIn("services", names)).toEqual({
      services: names.slice(0, namesInDetailsMax),
      services_total: 1_000,
    });
    expect(namesIn("services", [])).toEqual({ services: [], services_total: 0 });
  });
});
