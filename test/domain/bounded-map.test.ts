import { describe, expect, test } from "vitest";
import { BoundedMap } from "../../src/domain/bounded-map.ts";

describe("a bounded map", () => {
  test("forgets the entry that was put in first when it is full", () => {
    const map = new BoundedMap<number>(2);
    map.set("a", 1);
    map.set("b", 2);
    map.set("a", 3);
    map.set("c", 4);
    expect([map.get("a"), map.get("b"), map.get("c")]).toEqual([3, undefined, 4]);
  });

  test("drops what is deleted, by its key or by its value", () => {
    const map = new BoundedMap<number>(3);
    map.set("a", 1);
    map.set("b", 2);
    map.set("c", 3);
    map.delete("a");
    map.deleteWhere((value) => value === 3);
    expect([map.get("a"), map.get("b"), map.get("c")]).toEqual([undefined, 2, undefined]);
  });
});
