import { describe, expect, test } from "vitest";
import { chooseLocation, type LocationHint, locationHints, nearestHint } from "../../src/domain/location.ts";

describe("auto", () => {
  const cities: [city: string, continent: string, latitude: number, longitude: number, hint: LocationHint][] =
    [
      ["San Francisco", "NA", 37.8, -122.4, "wnam"],
      ["Denver", "NA", 39.7, -105, "wnam"],
      ["Dallas", "NA", 32.8, -96.8, "enam"],
      ["New York", "NA", 40.7, -74, "enam"],
      ["São Paulo", "SA", -23.6, -46.6, "sam"],
      ["Lisbon", "EU", 38.7, -9.1, "weur"],
      ["Berlin", "EU", 52.5, 13.4, "weur"],
      ["Vienna", "EU", 48.2, 16.4, "eeur"],
      ["Athens", "EU", 38, 23.7, "eeur"],
      ["Istanbul, its eastern half", "AS", 41, 29, "me"],
      ["Dubai", "AS", 25.2, 55.3, "me"],
      ["Delhi", "AS", 28.6, 77.2, "apac-se"],
      ["Singapore", "AS", 1.4, 103.8, "apac-se"],
      ["Manila", "AS", 14.6, 121, "apac-se"],
      ["Taipei", "AS", 25, 121.5, "apac-ne"],
      ["Tokyo", "AS", 35.7, 139.7, "apac-ne"],
      ["Uelen, beyond the date line", "AS", 66.2, -169.8, "apac-ne"],
      ["Sydney", "OC", -33.9, 151.2, "oc"],
      ["Honolulu", "OC", 21.3, -157.9, "oc"],
      ["Nairobi", "AF", -1.3, 36.8, "afr"],
      ["the South Pole", "AN", -90, 0, "oc"],
    ];
  test.for(cities)("of a request from %s", ([, continent, latitude, longitude, hint]) => {
    expect(nearestHint({ continent, latitude, longitude })).toBe(hint);
  });

  test("of a request whose coordinates are not known is the larger part of its continent, or all of it", () => {
    const hintOf = (continent: string) => nearestHint({ continent });
    expect(["NA", "SA", "EU", "AS", "OC", "AF", "AN"].map(hintOf)).toEqual([
      "enam",
      "sam",
      "weur",
      "apac",
      "oc",
      "afr",
      "oc",
    ]);
    expect(nearestHint({ continent: "AS", latitude: 35 })).toBe("apac");
    expect(nearestHint({ continent: "AS", longitude: 139 })).toBe("apac");
  });

  test("of a request whose continent is not known is nowhere", () => {
    expect(nearestHint({})).toBeNull();
    expect(nearestHint({ continent: "XX", latitude: 48, longitude: 16 })).toBeNull();
  });

  test("changes at the borders of the parts", () => {
    const at = (continent: string, latitude: number, longitude: number) =>
      nearestHint({ continent, latitude, longitude });
    expect([at("NA", 40, -100.1), at("NA", 40, -100)]).toEqual(["wnam", "enam"]);
    expect([at("EU", 50, 14.9), at("EU", 50, 15)]).toEqual(["weur", "eeur"]);
    expect([at("AS", 30, 59.9), at("AS", 30, 60)]).toEqual(["me", "apac-se"]);
    expect([at("AS", 30, 99.9), at("AS", 30, 100)]).toEqual(["apac-se", "apac-ne"]);
    expect([at("AS", 23.3, 110), at("AS", 23.4, 110)]).toEqual(["apac-se", "apac-ne"]);
    expect([at("AS", 50, 0), at("AS", 66, -0.1)]).toEqual(["me", "apac-ne"]);
  });
});

describe("where a service is created", () => {
  test.for([
    ["weur", "enam", "weur"],
    ["weur", undefined, "weur"],
    ["auto", "enam", "enam"],
    [undefined, "enam", "enam"],
    ["auto", undefined, "auto"],
    [undefined, undefined, "auto"],
  ] as const)("%s, and auto means %s: %s", ([requested, near, location]) => {
    expect(chooseLocation("hello", requested, near, undefined)).toEqual({ ok: true, value: location });
  });

  test("is where its name was before, whatever is near", () => {
    for (const existing of ["auto", ...locationHints] as const) {
      for (const requested of ["auto", undefined, existing] as const) {
        expect(chooseLocation("hello", requested, "me", existing)).toEqual({ ok: true, value: existing });
      }
    }
  });

  test.for(["auto", "weur"] as const)(
    "is refused elsewhere than where its name was before: %s",
    (existing) => {
      expect(chooseLocation("hello", "enam", "enam", existing)).toEqual({
        ok: false,
        error: {
          code: "location_fixed",
          message: `a service \`hello\` was created with location \`${existing}\`, which its name keeps; leave \`location\` out, or take another name`,
          details: { location: existing },
        },
      });
    },
  );
});
