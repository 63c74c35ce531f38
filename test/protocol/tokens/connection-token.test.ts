import fc from "fast-check";
import { decodeProtectedHeader, importJWK, SignJWT, UnsecuredJWT } from "jose";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import {
  importSigningKey,
  jwks,
  publicJwks,
  type SigningKeys,
  signConnectionToken,
  signingKeys,
  verifyConnectionToken,
} from "../../../src/protocol/tokens/connection-token.ts";
import { makeSigningKeys } from "../../../src/protocol/tokens/signing-keys.ts";

const expected = { account: "acme", cluster: "eu-prod", backendId: "k3f9q7h3kq2m9" };
const issuer = "https://api.example.com";
const daySeconds = 24 * 3600;

let keys: SigningKeys;
let otherKeys: SigningKeys;
beforeAll(async () => {
  [keys, otherKeys] = await Promise.all([makeSigningKeys(), makeSigningKeys()]);
});
afterEach(() => {
  vi.useRealTimers();
});

async function grant(extra: { user?: string; auth?: Record<string, string> } = {}, grantedAt = Date.now()) {
  return signConnectionToken(await importSigningKey(keys), { issuer, ...expected, grantedAt, ...extra });
}

/** A token of the right key with other claims or another header than Slipway's own. */
async function signOtherwise(
  claims: Record<string, unknown>,
  header: { alg: string; kid?: string } = { alg: "EdDSA" },
) {
  const [first] = keys;
  if (!first) throw new Error("there is no key");
  const now = Math.floor(Date.now() / 1000);
  const complete = { iss: issuer, aud: "acme/eu-prod", sub: expected.backendId, iat: now, exp: now + 60 };
  return new SignJWT({ ...complete, ...claims })
    .setProtectedHeader({ kid: first.kid, ...header })
    .sign(await importJWK(first, "EdDSA"));
}

describe("a connection token", () => {
  test("is good for its backend, and carries what was granted", async () => {
    const now = Date.now();
    const token = await grant({ user: "ada", auth: { role: "editor" } }, now);
    const iat = Math.floor(now / 1000);
    expect(await verifyConnectionToken(token, publicJwks(keys), expected)).toEqual({
      ok: true,
      claims: {
        iss: issuer,
        aud: "acme/eu-prod",
        sub: expected.backendId,
        iat,
        exp: iat + daySeconds,
        user: "ada",
        auth: { role: "editor" },
      },
    });
  });

  test("says how it is signed and with which key (RFC 7515 4.1, RFC 8037)", async () => {
    expect(decodeProtectedHeader(await grant())).toEqual({ alg: "EdDSA", typ: "JWT", kid: keys[0]?.kid });
  });

  test("without a user or auth has no such claims", async () => {
    const verified = await verifyConnectionToken(await grant(), publicJwks(keys), expected);
    expect(verified.ok && Object.keys(verified.claims).sort()).toEqual(["aud", "exp", "iat", "iss", "sub"]);
  });

  test("is the same for the same grant", async () => {
    expect(await grant({ user: "ada" }, 1_000_000)).toBe(await grant({ user: "ada" }, 1_000_999));
  });

  test("fits into one path segment of a URL", async () => {
    const token = await grant({ user: "ada/../ü?#", auth: { "💡": "%2f" } });
    expect(encodeURIComponent(token)).toBe(token);
  });

  test("is verified with the second of two published keys after a rotation", async () => {
    const rotated = publicJwks([...otherKeys, ...keys]);
    expect(await verifyConnectionToken(await grant(), rotated, expected)).toMatchObject({ ok: true });
  });

  const others: [title: string, other: Partial<typeof expected>][] = [
    ["another backend", { backendId: "k3f9q7h3kq2m8" }],
    ["another cluster", { cluster: "us-prod" }],
    ["another account", { account: "acme2" }],
    ["an account and cluster that join to the same text", { account: "acme/eu-prod", cluster: "" }],
  ];
  test.for(others)("is not good for %s", async ([, other]) => {
    const verified = await verifyConnectionToken(await grant(), publicJwks(keys), { ...expected, ...other });
    expect(verified.ok).toBe(false);
  });

  test("is not good under another deployment's keys", async () => {
    const verified = await verifyConnectionToken(await grant(), publicJwks(otherKeys), expected);
    expect(verified.ok).toBe(false);
  });

  test("is good for 24 hours and not a second longer", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const start = Date.UTC(2026, 10, 23);
    vi.setSystemTime(start);
    const token = await grant({}, start);
    vi.setSystemTime(start + daySeconds * 1000 - 1);
    expect(await verifyConnectionToken(token, publicJwks(keys), expected)).toMatchObject({ ok: true });
    vi.setSystemTime(start + daySeconds * 1000);
    expect(await verifyConnectionToken(token, publicJwks(keys), expected)).toMatchObject({ ok: false });
  });
});

describe("a forged connection token is refused", () => {
  const claims: [title: string, claims: Record<string, unknown>][] = [
    ["without an issuer", { iss: undefined }],
    ["without an audience", { aud: undefined }],
    ["without a subject", { sub: undefined }],
    ["without the time it was issued at", { iat: undefined }],
    ["without an expiry", { exp: undefined }],
    ["with an expiry in the past", { exp: 1 }],
    ["with an expiry that is a text", { exp: "9999999999" }],
    ["with an audience that is a list", { aud: ["acme/eu-prod", "acme/us-prod"] }],
    ["with an audience in upper case", { aud: "ACME/EU-PROD" }],
    ["with an audience that only begins right", { aud: "acme/eu-prod2" }],
    ["with another subject", { sub: "k3f9q7h3kq2m8" }],
    ["with a subject that is a list", { sub: [expected.backendId] }],
    ["with a user that is no text", { user: { admin: true } }],
    ["with auth that is no object", { auth: "admin" }],
    ["with auth that is a list", { auth: ["admin"] }],
    ["with a user that is null", { user: null }],
    ["with auth that is null", { auth: null }],
    ["that is not valid yet", { nbf: 99_999_999_999 }],
  ];
  test.for(claims)("%s", async ([, changed]) => {
    const verified = await verifyConnectionToken(await signOtherwise(changed), publicJwks(keys), expected);
    expect(verified.ok).toBe(false);
  });

  test("with the reason, for who looks for a mistake of their own", async () => {
    const reasonOf = async (claims: Record<string, unknown>) => {
      const verified = await verifyConnectionToken(await signOtherwise(claims), publicJwks(keys), expected);
      return verified.ok ? null : verified.reason;
    };
    expect(await reasonOf({ user: null })).toBe("the token's claims are malformed");
    expect(await reasonOf({ iss: undefined })).toBe("the token's claims are malformed");
    expect(await reasonOf({ aud: "acme/us-prod" })).toContain('"aud"');
    expect(await reasonOf({ exp: 1 })).toContain('"exp"');
  });

  test("the same claims unchanged are good, so that the refusals above are for what they say", async () => {
    const verified = await verifyConnectionToken(await signOtherwise({}), publicJwks(keys), expected);
    expect(verified.ok).toBe(true);
  });

  test("with the algorithm `none`", async () => {
    const token = new UnsecuredJWT({ sub: expected.backendId })
      .setIssuer(issuer)
      .setAudience("acme/eu-prod")
      .setIssuedAt()
      .setExpirationTime("1h")
      .encode();
    expect(await verifyConnectionToken(token, publicJwks(keys), expected)).toMatchObject({ ok: false });
  });

  test("with HMAC under the public key as its secret", async () => {
    const [first] = keys;
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: "HS256", ...(first ? { kid: first.kid } : {}) })
      .setIssuer(issuer)
      .setAudience("acme/eu-prod")
      .setSubject(expected.backendId)
      .setIssuedAt()
      .setExpirationTime("1h")
      .sign(new TextEncoder().encode(first?.x));
    expect(await verifyConnectionToken(token, publicJwks(keys), expected)).toMatchObject({ ok: false });
  });

  test("under a key id that is not published", async () => {
    const token = await signOtherwise({}, { alg: "EdDSA", kid: "unknown" });
    expect(await verifyConnectionToken(token, publicJwks(keys), expected)).toMatchObject({ ok: false });
  });

  test("with any of its characters changed", async () => {
    const token = await grant({ user: "ada" });
    const published = publicJwks(keys);
    // The last character of an unpadded base64url text may have bits that say nothing.
    const positions = fc.nat(token.length - 2);
    await fc.assert(
      fc.asyncProperty(positions, fc.constantFrom(..."AZaz09-_."), async (position, replacement) => {
        fc.pre(token[position] !== replacement);
        const lastOfSegment = token[position + 1] === "." || token[position] === ".";
        fc.pre(!lastOfSegment);
        const changed = `${token.slice(0, position)}${replacement}${token.slice(position + 1)}`;
        expect((await verifyConnectionToken(changed, published, expected)).ok).toBe(false);
      }),
    );
  });

  test("and any other text is refused without a failure", async () => {
    const published = publicJwks(keys);
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[\w-]{0,30}\.[\w-]{0,30}\.[\w-]{0,30}$/));
    await fc.assert(
      fc.asyncProperty(text, async (token) => {
        expect((await verifyConnectionToken(token, published, expected)).ok).toBe(false);
      }),
    );
  });
});

describe("signing keys", () => {
  test("are published without their private part", () => {
    const published = publicJwks([...keys, ...otherKeys]);
    expect(jwks.parse(published)).toEqual(published);
    expect(published.keys).toHaveLength(2);
    for (const each of [...keys, ...otherKeys]) expect(JSON.stringify(published)).not.toContain(each.d);
  });

  test("that are published but cannot be used are a failure, and no refusal of the token", async () => {
    const unusable = { keys: publicJwks(keys).keys.map((key) => ({ ...key, x: "AAAA" })) };
    await expect(verifyConnectionToken(await grant(), unusable, expected)).rejects.toThrow();
  });

  test("are used by the first of them, whose private part stays where it is", async () => {
    const [first] = keys;
    const { key, kid } = await importSigningKey([...keys, ...otherKeys]);
    expect(kid).toBe(first?.kid);
    expect(key).toMatchObject({ type: "private", extractable: false, usages: ["sign"] });
  });

  test("that are none cannot be used", async () => {
    await expect(importSigningKey([])).rejects.toThrow("SIGNING_KEYS is empty");
    const malformed = keys.map((key) => ({ ...key, d: "AAAA" }));
    await expect(importSigningKey(malformed)).rejects.toThrow();
  });

  test.for([
    ["an empty list", []],
    ["a key without its private part", [{ kty: "OKP", crv: "Ed25519", x: "a", kid: "1" }]],
    ["another curve", [{ kty: "OKP", crv: "X25519", x: "a", d: "b", kid: "1" }]],
    ["a symmetric key", [{ kty: "oct", k: "a", kid: "1" }]],
    ["a key without an id", [{ kty: "OKP", crv: "Ed25519", x: "a", d: "b" }]],
  ] as const)("%s is refused", ([, value]) => {
    expect(signingKeys.safeParse(value).success).toBe(false);
  });
});
