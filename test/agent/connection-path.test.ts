import { expect, test } from "vitest";
import { prefersJson } from "../../src/agent/connection-answers.ts";
import { backendIdOf, parseConnectionPath } from "../../src/agent/connection-path.ts";

const id = "k3f9q7h3kq2m9";

test.each([
  [`/${id}/tok/`, { kind: "forward", token: "tok", path: "/" }],
  [`/${id}/tok/a/b?x=1&y=/?`, { kind: "forward", token: "tok", path: "/a/b?x=1&y=/?" }],
  [`/${id}/tok//evil.example/%2e%2e/`, { kind: "forward", token: "tok", path: "//evil.example/%2e%2e/" }],
  [`/${id}/tok`, { kind: "redirect", token: "tok", location: "./tok/" }],
  [`/${id}/tok?x=1`, { kind: "redirect", token: "tok", location: "./tok/?x=1" }],
  [`/${id}`, null],
  [`/${id}/`, null],
  [`/${id}//x`, null],
])("with the token in the path, %s is %j", (target, expected) => {
  expect(parseConnectionPath(target, true)).toEqual(expected);
});

test.each([
  [`/${id}/a?x`, { kind: "forward", token: null, path: "/a?x" }],
  [`/${id}/`, { kind: "forward", token: null, path: "/" }],
  [`/${id}?x`, { kind: "redirect", token: null, location: `./${id}/?x` }],
])("with the token in a header, %s is %j", (target, expected) => {
  expect(parseConnectionPath(target, false)).toEqual(expected);
});

test.each(["/", "", "*", "/favicon.ico", "/K3F9Q7H3KQ2M9/x", `//${id}/`, `http://example.com/${id}/`])(
  "%j names no backend",
  (target) => {
    expect(backendIdOf(target)).toBeNull();
  },
);

test.each([
  ["application/json", true],
  ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false],
  ["text/html;q=0.5, application/json", true],
  ["application/*, text/html;q=0.1", true],
  ["*/*", false],
  ["", false],
  ["application/json;q=0, text/html", false],
  ["application/json;q=nonsense", false],
])("an Accept of %j prefers JSON: %j", (accept, expected) => {
  expect(prefersJson(accept)).toBe(expected);
});
