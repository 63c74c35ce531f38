import { expect, test } from "vitest";
import { prefersJson } from "../../../src/agent/proxy/answers.ts";
import {
  backendIdOfHost,
  backendTarget,
  backendUrl,
  parseBackendDomain,
  parseBackendPath,
} from "../../../src/agent/proxy/backend-url.ts";

const id = "k3f9q7h3kq2m9";
const domain = "prod.example.com";

function pathOf(target: string, tokenInPath: boolean, host = "agent.example.com") {
  const address = backendTarget(host, target, domain);
  return address && parseBackendPath(address, tokenInPath);
}

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
  expect(pathOf(target, true)).toEqual(expected);
});

test.each([
  [`/${id}/a?x`, { kind: "forward", token: null, path: "/a?x" }],
  [`/${id}/`, { kind: "forward", token: null, path: "/" }],
  [`/${id}?x`, { kind: "redirect", token: null, location: `./${id}/?x` }],
])("with the token in a header, %s is %j", (target, expected) => {
  expect(pathOf(target, false)).toEqual(expected);
});

test.each([
  ["/tok/", true, { kind: "forward", token: "tok", path: "/" }],
  [`/tok/${id}/x?y`, true, { kind: "forward", token: "tok", path: `/${id}/x?y` }],
  ["/tok?x=1", true, { kind: "redirect", token: "tok", location: "./tok/?x=1" }],
  ["/", true, null],
  ["//x", true, null],
  ["/", false, { kind: "forward", token: null, path: "/" }],
  [`/${id}/x?y`, false, { kind: "forward", token: null, path: `/${id}/x?y` }],
  ["*", false, null],
  [`http://${id}.${domain}/x`, false, null],
])("on a backend's own host, %s with the token in the path: %j is %j", (target, tokenInPath, expected) => {
  expect(pathOf(target, tokenInPath, `${id}.${domain}`)).toEqual(expected);
});

test.each(["/", "", "*", "/favicon.ico", "/K3F9Q7H3KQ2M9/x", `//${id}/`, `http://example.com/${id}/`])(
  "%j names no backend",
  (target) => {
    expect(backendTarget("agent.example.com", target, domain)).toBeNull();
  },
);

test.each([
  `${id}.${domain}`,
  `${id}.${domain}:8443`,
  `${id}.${domain}:`,
  `${id.toUpperCase()}.Prod.Example.COM`,
  `${id}.${domain}.`,
  `${id}.${domain}.:80`,
])("%s is a backend's own host", (host) => {
  expect(backendIdOfHost(host, domain)).toBe(id);
});

test.each([
  domain,
  `agent.${domain}`,
  `x.${id}.${domain}`,
  `${id}.x.${domain}`,
  `${id}.example.com`,
  `${id}.xprod.example.com`,
  `${id}x.${domain}`,
  `${id}${domain}`,
  `.${domain}`,
  `${id}.${domain}@evil.example`,
  `${id}.${domain}.evil.example`,
  id,
  "",
  undefined,
])("%s is no backend's own host", (host) => {
  expect(backendIdOfHost(host, domain)).toBeNull();
});

test("without a domain no host is a backend's own", () => {
  expect(backendIdOfHost(`${id}.${domain}`, null)).toBeNull();
});

test.each([
  ["Prod.Example.com", "prod.example.com"],
  [".prod.example.com", "prod.example.com"],
  ["prod.example.com.", "prod.example.com"],
  ["localhost", "localhost"],
])("the domain %s is compared as %s", (text, expected) => {
  expect(parseBackendDomain(text)).toBe(expected);
});

test.each([
  "",
  ".",
  "https://prod.example.com",
  "prod.example.com:443",
  "*.example.com",
  "a..b",
  "-a.b",
  "a b",
])("%j is refused as a domain", (text) => {
  expect(() => parseBackendDomain(text)).toThrow("is not a domain");
});

test.each([
  ["http://127.0.0.1:4100", null, `http://127.0.0.1:4100/${id}`],
  ["https://example.com/agent/", null, `https://example.com/agent/${id}`],
  ["https://agent.example.com", domain, `https://${id}.${domain}`],
  ["https://agent.example.com:443/x", domain, `https://${id}.${domain}`],
  ["http://127.0.0.1:4100", "localhost", `http://${id}.localhost:4100`],
])("with the agent at %s and the domain %j a backend is at %s", (publicUrl, ofBackends, expected) => {
  expect(backendUrl(id, publicUrl, ofBackends)).toBe(expected);
});

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
