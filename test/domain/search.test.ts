import { describe, expect, test } from "vitest";
import { findsBackend, imageSearch } from "../../src/domain/search.ts";

const hex = "0123456789abcdef".repeat(4);

describe("what is looked for among images", () => {
  test.for([
    ["v1", null],
    ["abc", null],
    ["abcd", "sha256:abcd"],
    [hex, `sha256:${hex}`],
    [`${hex}0`, null],
    ["ABCD", null],
    ["1.2.3", null],
    ["sha256:", "sha256:"],
    ["sha256:0", "sha256:0"],
  ] as const)("by `%s` is a tag, and a digest that begins with %s", ([text, digest]) => {
    expect(imageSearch(text)).toEqual({ tag: text, digest });
  });
});

describe("a backend is found by the beginning of", () => {
  const backend = { id: "k3f9q7h3kq2m9", environment: "prod", digest: `sha256:${hex}`, key: "doc-1" };
  const found = ["k3f9", "pro", "sha256:0123", "0123", "doc-"];
  test.for(found)("what it has: %s", (text) => {
    expect(findsBackend(text, backend)).toBe(true);
  });
  test.for(["3f9q", "rod", "1234", "oc-", "other"])("nothing else: %s", (text) => {
    expect(findsBackend(text, backend)).toBe(false);
  });
  test("a key only where it has one", () => {
    expect(findsBackend("doc", { ...backend, key: null })).toBe(false);
  });
});
