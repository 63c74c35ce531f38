import { describe, expect, test } from "vitest";
import { files, withoutComments } from "./support/rooms/imports.ts";

/*
 * What is read from outside is bounded: a bare `fetch` takes any coding, and `text()` and its like read to the end,
 * wherever that is. Requests go through `fetchAnswer` and bodies through the readers beside it
 * (src/protocol/remote-answer.ts). What does neither is named here, with what bounds it.
 */
const exceptions: { path: string; what: string; reason: string }[] = [
  {
    path: "protocol/remote-answer.ts",
    what: "fetch(",
    reason: "the one place, which refuses codings",
  },
  {
    path: "protocol/remote-answer.ts",
    what: ".text(",
    reason: "of an answer whose length HTTP bounds, and which is short",
  },
  {
    path: "edge/body.ts",
    what: ".arrayBuffer(",
    reason: "of a request whose length HTTP bounds, and which is short",
  },
  {
    path: "edge/views/ready-page.ts",
    what: ".json(",
    reason: "the Worker's own answer, which is in memory already",
  },
];

/** Calls that read a whole body, and requests. A method that is named `fetch` is an object's, or one of our own. */
const reading =
  /(?<![.\w]|async )fetch\(|(?<!\bz)\.(?:text|json|arrayBuffer|blob|bytes|formData)\(\s*\)|node:stream\/consumers/g;

function readingsOf(source: string): string[] {
  return [...withoutComments(source).matchAll(reading)].map(([found]) => found.replace(/\s*\)$/, ""));
}

describe("the check itself", () => {
  test.each([
    ["const a = await fetch(url);", ["fetch("]],
    ["return (await send()).json();", [".json("]],
    ["await new Response(stream).arrayBuffer();", [".arrayBuffer("]],
    ["await answer.text(\n);", [".text("]],
    ['import { buffer } from "node:stream/consumers";', ["node:stream/consumers"]],
    ["await stub.fetch(request); fetchAnswer(url); override async fetch(request) {}", []],
    ["c.json(body); z.json(); Response.json({});", []],
    ["// fetch(url)", []],
  ])("of `%s` finds %j", (source, found) => {
    expect(readingsOf(source)).toEqual(found);
  });
});

test("nothing is fetched or read without a bound, but for what is named", () => {
  const found = files.flatMap(({ path, text }) => readingsOf(text).map((what) => `${path}: ${what}`));
  expect(found.toSorted()).toEqual(exceptions.map(({ path, what }) => `${path}: ${what}`).toSorted());
});

/*
 * A redirect leads where the sender of a secret or a webhook did not mean to send it. Each request says that it is not
 * followed; what may be is named here.
 */
const followed = [
  { path: "agent/proxy/verification-keys.ts", reason: "the request for public keys carries no secret" },
];

function requestsThatFollow(source: string): number {
  const requests = source.match(/(?<!function )\bfetchAnswer\(/g)?.length ?? 0;
  return requests - (source.match(/\bredirect: "manual"/g)?.length ?? 0);
}

test.each([
  ["await fetchAnswer(url, { signal });", 1],
  ['await fetchAnswer(url, { redirect: "manual", signal });', 0],
  ['const init = { redirect: "manual" as const }; await fetchAnswer(url, init);', 0],
  ['await fetchAnswer(a, { redirect: "manual" }); await fetchAnswer(b, {});', 1],
  ["export async function fetchAnswer(url: string) {}", 0],
])("the check of redirects finds in `%s` so many that are followed: %i", (source, found) => {
  expect(requestsThatFollow(source)).toBe(found);
});

test("no request follows redirects, but for what is named", () => {
  const found = files.filter(({ text }) => requestsThatFollow(text) !== 0).map(({ path }) => path);
  expect(found).toEqual(followed.map(({ path }) => path));
});
