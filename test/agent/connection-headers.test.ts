import { expect, test } from "vitest";
import { asciiJson, forwardedHeaders, headerText } from "../../src/agent/connection-headers.ts";

const claims = { iss: "i", aud: "a/c", sub: "s", iat: 1, exp: 2 };
const plain = { tokenInHeader: false, isUpgrade: false };

test.each(["alice@example.com", "Zoë", "100%", "%C3%AB", " padded ", "line\r\nbreak", "🙂", "a b"])(
  "the user %j is a legal header value from which decodeURIComponent gives it back",
  (user) => {
    const value = headerText(user);
    expect(value).toMatch(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/);
    expect(decodeURIComponent(value)).toBe(user);
  },
);

test("a plain user stays as it is", () => {
  expect(headerText("alice b+c@example.com")).toBe("alice b+c@example.com");
});

test("auth is JSON in printable ASCII that parses to the same value", () => {
  const auth = { name: "Zoë 🙂", text: "a\r\nb\u007f" };
  expect(asciiJson(auth)).toMatch(/^[\x20-\x7e]*$/);
  expect(JSON.parse(asciiJson(auth))).toEqual(auth);
});

test("every x-verified-* header of the client is removed, and set from the claims only", () => {
  const sent = {
    "x-verified-username": "root",
    "x-verified-user-data": "{}",
    "x-verified-anything": "1",
    x_verified_username: "stays",
    accept: "text/html",
  };
  expect(forwardedHeaders(sent, claims, plain)).toEqual({
    x_verified_username: "stays",
    accept: "text/html",
    connection: "keep-alive",
  });
  expect(forwardedHeaders(sent, { ...claims, user: "alice", auth: { admin: false } }, plain)).toMatchObject({
    "x-verified-username": "alice",
    "x-verified-user-data": '{"admin":false}',
  });
});

test("a client cannot have headers dropped by the next hop by naming them in Connection", () => {
  const sent = {
    connection: "close, X-Verified-Username, x-secret, content-length",
    "x-secret": "1",
    "content-length": "4",
  };
  expect(forwardedHeaders(sent, { ...claims, user: "alice" }, plain)).toEqual({
    connection: "close",
    "content-length": "4",
    "x-verified-username": "alice",
  });
});

test("the Authorization header is the backend's own unless it carried the connection token", () => {
  const sent = { authorization: "Bearer x" };
  expect(forwardedHeaders(sent, claims, plain)).toHaveProperty("authorization");
  expect(forwardedHeaders(sent, claims, { tokenInHeader: true, isUpgrade: false })).not.toHaveProperty(
    "authorization",
  );
});

test("Upgrade is forwarded for WebSockets only", () => {
  const sent = { connection: "Upgrade", upgrade: "h2c" };
  expect(forwardedHeaders(sent, claims, plain)).toEqual({ connection: "keep-alive" });
  expect(
    forwardedHeaders({ connection: "keep-alive, Upgrade", upgrade: "websocket" }, claims, {
      tokenInHeader: false,
      isUpgrade: true,
    }),
  ).toEqual({
    connection: "Upgrade",
    upgrade: "websocket",
  });
});
