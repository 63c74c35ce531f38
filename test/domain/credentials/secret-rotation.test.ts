import { expect, test } from "vitest";
import {
  goodSecrets,
  nextSecretEnd,
  rotatedSecrets,
} from "../../../src/domain/credentials/secret-rotation.ts";

const day = 24 * 3600 * 1000;

test("a new secret signs for good, and the one before for 24 h", () => {
  expect(rotatedSecrets([{ secret: "a", validUntil: null }], "b", 1000)).toEqual([
    { secret: "b", validUntil: null },
    { secret: "a", validUntil: 1000 + day },
  ]);
});

test("after a second rotation within the overlap the two newest sign, and the oldest stops at once", () => {
  const once = rotatedSecrets([{ secret: "a", validUntil: null }], "b", 0);
  expect(rotatedSecrets(once, "c", 1000)).toEqual([
    { secret: "c", validUntil: null },
    { secret: "b", validUntil: 1000 + day },
  ]);
});

test("a secret expires at its end, and not a millisecond before", () => {
  const secrets = rotatedSecrets([{ secret: "a", validUntil: null }], "b", 0);
  expect(goodSecrets(secrets, day - 1).map(({ secret }) => secret)).toEqual(["b", "a"]);
  expect(goodSecrets(secrets, day).map(({ secret }) => secret)).toEqual(["b"]);
});

test("the next expiry is that of the secret which expires first; without an overlap there is none", () => {
  expect(nextSecretEnd([{ secret: "b", validUntil: null }])).toBeNull();
  expect(nextSecretEnd(rotatedSecrets([{ secret: "a", validUntil: null }], "b", 5))).toBe(5 + day);
});
