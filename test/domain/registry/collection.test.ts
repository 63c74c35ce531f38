import { describe, expect, test } from "vitest";
import {
  collectableSince,
  graceMs,
  isManifestUsed,
  needsNewGrace,
  nextCollectionAt,
  unreferencedSince,
} from "../../../src/domain/registry/collection.ts";

const hour = 3_600_000;

describe("the graces", () => {
  test("are those of the design", () => {
    expect(graceMs).toEqual({ blob: 24 * hour, manifest: 7 * 24 * hour, upload: 24 * hour, bytes: 2 * hour });
  });

  test.each(["blob", "manifest", "upload", "bytes"] as const)("of a %s end when they say", (kind) => {
    expect(collectableSince(kind, 10 ** 12)).toBe(10 ** 12 - graceMs[kind]);
    expect(nextCollectionAt({ [kind]: 5 })).toBe(5 + graceMs[kind]);
  });
});

describe("the next collection", () => {
  test("is when the first grace ends, and never when nothing is without use", () => {
    expect(nextCollectionAt({ blob: 24 * hour, upload: 0, manifest: null })).toBe(24 * hour);
    expect(nextCollectionAt({ blob: null, manifest: null, upload: null, bytes: null })).toBeNull();
    expect(nextCollectionAt({})).toBeNull();
  });
});

describe("a manifest", () => {
  test.each([
    [true, false, false, true],
    [false, true, false, true],
    [false, false, true, true],
    [false, false, false, false],
  ])(
    "with a tag: %s, in an index: %s, about one that is there: %s; is used: %s",
    (hasTag, hasParent, hasSubject, used) => {
      expect(isManifestUsed({ hasTag, hasParent, hasSubject })).toBe(used);
    },
  );
});

describe("being without use", () => {
  test("begins once, and ends with use", () => {
    expect(unreferencedSince(false, null, 10)).toBe(10);
    expect(unreferencedSince(false, 3, 10)).toBe(3);
    expect(unreferencedSince(true, 3, 10)).toBeNull();
  });

  test("restarts at a lookup after half of the grace, not before, and not while in use", () => {
    expect(needsNewGrace(0, 12 * hour)).toBe(false);
    expect(needsNewGrace(0, 12 * hour + 1)).toBe(true);
    expect(needsNewGrace(null, 100 * hour)).toBe(false);
  });
});
