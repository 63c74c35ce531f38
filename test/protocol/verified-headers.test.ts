import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  asciiJson,
  headerText,
  userHeaders,
  verifiedHeaders,
  verifiedUserProblem,
} from "../../src/protocol/verified-headers.ts";

/** Characters of all kinds, and what headers and JSON treat otherwise. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(" ", "%", "a", '"', "\r\n"),
      fc.integer({ min: 0, max: 0x10ffff }).map((point) => String.fromCodePoint(point)),
    ),
  )
  .map((parts) => parts.join("").toWellFormed());

describe("a user as a header value", () => {
  test.for([
    ["alice b+c@example.com", "alice b+c@example.com"],
    ["a  b", "a  b"],
    ["!~", "!~"],
    ["Zoë", "Zo%C3%AB"],
    ["語", "%E8%AA%9E"],
    ["🙂🙂", "%F0%9F%99%82%F0%9F%99%82"],
    ["100%", "100%25"],
    ["%C3%AB", "%25C3%25AB"],
    ["  padded twice  ", "%20%20padded twice%20%20"],
    ["   ", "%20%20%20"],
    ["line\r\nbreak\0", "line%0D%0Abreak%00"],
    ["\u007f", "%7F"],
    ["half \ud83d", "half %EF%BF%BD"],
    ["", ""],
  ] as const)("%j is %j", ([user, value]) => {
    expect(headerText(user)).toBe(value);
  });

  test("is legal (RFC 9110 5.5), and decodeURIComponent gives back what was signed", () => {
    fc.assert(
      fc.property(text, (user) => {
        const value = headerText(user);
        expect(value).toMatch(/^([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?$/);
        expect(decodeURIComponent(value)).toBe(user);
      }),
    );
  });
});

describe("auth as a header value", () => {
  test.for([
    [{ name: "Zoë" }, '{"name":"Zo\\u00eb"}'],
    [{ "🙂": ["~", " "] }, '{"\\ud83d\\ude42":["~"," "]}'],
    [{ text: "a\r\n\u007f" }, '{"text":"a\\r\\n\\u007f"}'],
  ] as const)("%j is %s", ([auth, value]) => {
    expect(asciiJson(auth)).toBe(value);
  });

  test("is JSON in printable ASCII that parses to the same value", () => {
    fc.assert(
      fc.property(text, text, (name, value) => {
        const auth = { [name]: value };
        expect(asciiJson(auth)).toMatch(/^[\x20-\x7e]*$/);
        expect(JSON.parse(asciiJson(auth))).toEqual(auth);
      }),
    );
  });
});

describe("the headers that identify a client", () => {
  test("are its user's and its auth's, as far as the token has them", () => {
    const user = ["x-verified-username", "Zo%C3%AB"];
    const auth = ["x-verified-user-data", '{"admin":false}'];
    expect(userHeaders({ user: "Zoë" })).toEqual(user);
    expect(userHeaders({ auth: { admin: false } })).toEqual(auth);
    expect(userHeaders({ user: "Zoë", auth: { admin: false } })).toEqual([...user, ...auth]);
    expect(userHeaders({})).toEqual([]);
  });

  test("of an empty user are there, and empty", () => {
    expect(userHeaders({ user: "" })).toEqual(["x-verified-username", ""]);
  });
});

describe("the headers that say who connects to what", () => {
  const backendId = "k3f9q7h3kq2m9";
  const backend = ["x-verified-backend", backendId];

  test("are the client's, the backend's and the connection's secret", () => {
    const headers = verifiedHeaders({ user: "ada", auth: { admin: false }, backendId, secret: "abc" });
    expect(headers).toEqual([
      ...["x-verified-username", "ada", "x-verified-user-data", '{"admin":false}'],
      ...[...backend, "x-verified-secret", "abc"],
    ]);
  });

  test("have empty data where there is no auth, and no secret where there is none", () => {
    expect(verifiedHeaders({ backendId, secret: null })).toEqual(["x-verified-user-data", "{}", ...backend]);
  });
});

describe("who connects fits where that goes", () => {
  test.for([
    ["nobody", {}],
    ["4,000 bytes of JSON", { user: "x".repeat(3989) }],
    ["4,000 bytes of JSON in UTF-8", { auth: { a: `${"語".repeat(1327)}xx` } }],
    ["8,000 bytes of headers", { user: `${"é".repeat(1329)}xxxxx` }],
    ["8,000 bytes of headers with auth", { user: "é".repeat(1300), auth: { a: "x".repeat(147) } }],
  ] as const)("%s", ([, client]) => {
    expect(verifiedUserProblem(client)).toBeNull();
  });

  test.for([
    [{ user: "x".repeat(3990) }, "have 4001 bytes as JSON", "at most 4000"],
    [{ auth: { a: `${"語".repeat(1327)}xxx` } }, "have 4001 bytes as JSON", "at most 4000"],
    [{ user: `${"é".repeat(1329)}xxxxxx` }, "have 8001 bytes as headers", "at most 8000"],
    [{ user: "é".repeat(1300), auth: { a: "x".repeat(148) } }, "have 8001 bytes as headers", "at most 8000"],
  ] as const)("or not, with the size and the limit: case %#", ([client, size, limit]) => {
    const problem = verifiedUserProblem(client);
    expect(problem).toContain(size);
    expect(problem).toContain(limit);
  });
});
