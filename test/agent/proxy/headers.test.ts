import { expect, test } from "vitest";
import { answerHeaders, forwardedHeaders, forwardedTrailers } from "../../../src/agent/proxy/headers.ts";

const alice = ["x-verified-username", "alice"];
const stranger = "203.0.113.7";

/** What a backend gets of headers that a peer sent, without those about the peer. */
function forward(
  sent: string[],
  { verified = [] as string[], tokenInHeader = false, httpVersion = "1.1", peer = stranger } = {},
) {
  const headers = forwardedHeaders(
    { rawHeaders: ["Host", "x", ...sent], httpVersion, peer },
    { verified, tokenInHeader },
  );
  const own = ["x-forwarded-for", stranger, "x-forwarded-proto", "http", "x-forwarded-host", "x"];
  return headers.filter((_, i) => {
    const pair = i - (i % 2);
    return !own.some((name, j) => j % 2 === 0 && headers[pair] === name && headers[pair + 1] === own[j + 1]);
  });
}

/** The values of one header, in any spelling. */
function valuesOf(headers: readonly string[], name: string): string[] {
  return headers.filter((_, i) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === name);
}

test.each([
  "x-verified-username",
  "X-Verified-Username",
  "x-VERIFIED-user-data",
  "x-verified-anything",
  "x_verified_username",
  "X_Verified-Username",
  "x-verified_username",
])("a client's %s is removed, once or twice, and what is set comes from the claims only", (name) => {
  expect(forward([name, "root", "Accept", "*/*", name, "root"])).toEqual(["Host", "x", "Accept", "*/*"]);
  expect(forward([name, "root"], { verified: alice })).toEqual(["Host", "x", ...alice]);
});

test("headers that only look like those that are verified are the client's own", () => {
  const own = ["x-verified", "1", "xx-verified-username", "1", "verified-username", "1"];
  expect(forward(own)).toEqual(["Host", "x", ...own]);
});

test("a client cannot have headers dropped by the next hop by naming them in Connection", () => {
  const sent = [
    ...["Connection", "close, X-Verified-Username, x-secret, content-length, host"],
    ...["connection", "X-Verified-User-Data"],
    ...["x-secret", "1", "Content-Length", "4"],
  ];
  expect(forward(sent, { verified: alice })).toEqual(["Host", "x", "Content-Length", "4", ...alice]);
});

test("headers of one hop stay there, and how the body is framed does not", () => {
  const hop = ["Keep-Alive", "timeout=5", "TE", "trailers", "Upgrade", "h2c", "Proxy-Connection", "x"];
  expect(forward([...hop, "Transfer-Encoding", "chunked"])).toEqual([
    "Host",
    "x",
    "Transfer-Encoding",
    "chunked",
  ]);
  expect(
    answerHeaders([...hop, "Connection", "x-hop", "X-Hop", "1", "Set-Cookie", "a", "Set-Cookie", "b"]),
  ).toEqual(["Set-Cookie", "a", "Set-Cookie", "b"]);
  expect(answerHeaders(["transfer-encoding", "chunked", "Content-Length", "4"])).toEqual([
    "Content-Length",
    "4",
  ]);
});

test("the Authorization header is the backend's own unless it carried the connection token", () => {
  const sent = ["Authorization", "Bearer x"];
  expect(forward(sent)).toEqual(["Host", "x", ...sent]);
  expect(forward(sent, { tokenInHeader: true })).toEqual(["Host", "x"]);
});

test("an expectation is passed on, but not in HTTP/1.0, which knows none", () => {
  const sent = ["Expect", "100-continue"];
  expect(forward(sent)).toEqual(["Host", "x", ...sent]);
  expect(forward(sent, { httpVersion: "1.0" })).toEqual(["Host", "x"]);
});

const forged = [
  ...["X-Forwarded-For", "1.1.1.1", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil"],
  ...[
    "X-Forwarded-Port",
    "1",
    "X-Real-IP",
    "1.1.1.1",
    "Forwarded",
    "for=1.1.1.1",
    "x_forwarded_for",
    "1.1.1.1",
  ],
];

test.each([stranger, "2001:db8::1", "::ffff:203.0.113.7", undefined])(
  "what the stranger %s claims to have forwarded is dropped, and set again",
  (peer) => {
    const headers = forwardedHeaders(
      { rawHeaders: ["Host", "x:1", ...forged], httpVersion: "1.1", peer },
      { verified: [], tokenInHeader: false },
    );
    expect(headers).toEqual([
      ...["Host", "x:1", "x-forwarded-for", peer?.replace("::ffff:", "") ?? "unknown"],
      ...["x-forwarded-proto", "http", "x-forwarded-host", "x:1"],
    ]);
  },
);

test.each(["127.0.0.1", "::1", "10.1.2.3", "::ffff:192.168.0.9", "fd00::1", "fe80::1", "172.16.0.1"])(
  "what the front %s says was forwarded stays, and its address is added",
  (peer) => {
    const headers = forwardedHeaders(
      { rawHeaders: ["Host", "x", "x-forwarded-for", "2.2.2.2", ...forged], httpVersion: "1.1", peer },
      { verified: [], tokenInHeader: false },
    );
    const address = peer.replace("::ffff:", "");
    expect(valuesOf(headers, "x-forwarded-for")).toEqual([`2.2.2.2, 1.1.1.1, ${address}`]);
    expect(valuesOf(headers, "x-forwarded-proto")).toEqual(["https"]);
    expect(valuesOf(headers, "x-forwarded-host")).toEqual(["evil"]);
    expect(valuesOf(headers, "x-forwarded-port")).toEqual(["1"]);
    expect(valuesOf(headers, "forwarded")).toEqual(["for=1.1.1.1"]);
    expect(valuesOf(headers, "x_forwarded_for")).toEqual([]);
  },
);

test("a request without a Host, as HTTP/1.0 has them, gets one for the backend", () => {
  const headers = forwardedHeaders(
    { rawHeaders: [], httpVersion: "1.0", peer: stranger },
    { verified: [], tokenInHeader: false },
  );
  expect(valuesOf(headers, "host")).toEqual(["localhost"]);
  expect(valuesOf(headers, "x-forwarded-host")).toEqual([]);
});

test("trailers that would frame, route, authenticate or verify are not passed on", () => {
  const refused = [
    "Content-Length",
    "Host",
    "Authorization",
    "X-Verified-Username",
    "x_verified_user_data",
    "X-Forwarded-For",
    "Connection",
    "Transfer-Encoding",
  ];
  expect(forwardedTrailers([...refused.flatMap((name) => [name, "1"]), "X-Checksum", "a"])).toEqual([
    ["X-Checksum", "a"],
  ]);
});
