import { decodeProtectedHeader, importJWK, SignJWT } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { grantRegistryToken, verifyRegistryToken } from "../../../src/protocol/oci/token-authentication.ts";
import {
  importSigningKey,
  publicJwks,
  type SigningKeys,
  signConnectionToken,
} from "../../../src/protocol/tokens/connection-token.ts";
import { signLoginToken, verifyLoginToken } from "../../../src/protocol/tokens/login-token.ts";
import { makeSigningKeys } from "../../../src/protocol/tokens/signing-keys.ts";

const issuer = "https://api.example.com";
const id = "3f0c2b1e-58a1-4c5e-9d0e-1a2b3c4d5e6f";
const now = Date.parse("2030-01-01T00:00:00Z");
const tenMinutes = 600_000;

let keys: SigningKeys;
let otherKeys: SigningKeys;
beforeAll(async () => {
  [keys, otherKeys] = await Promise.all([makeSigningKeys(), makeSigningKeys()]);
});

const sign = async (userAgent = "jamsocket-cli/0.10.7", by = keys) =>
  signLoginToken(await importSigningKey(by), issuer, { id, userAgent }, now);

/** A token of the right key with other claims than Slipway's own. */
async function signOtherwise(claims: Record<string, unknown>) {
  const [first] = keys;
  if (!first) throw new Error("there is no key");
  const iat = now / 1000;
  const complete = { iss: issuer, aud: "cli-login", jti: id, ua: "", iat, exp: iat + 60 };
  return new SignJWT({ ...complete, ...claims })
    .setProtectedHeader({ alg: "EdDSA", kid: first.kid })
    .sign(await importJWK(first, "EdDSA"));
}

describe("the token of a login", () => {
  test("says which login it is and who began it, until its end after ten minutes", async () => {
    const token = await sign();
    const claims = { id, userAgent: "jamsocket-cli/0.10.7", expiresAt: now + tenMinutes };
    expect(await verifyLoginToken(token, publicJwks(keys), now)).toEqual(claims);
    expect(await verifyLoginToken(token, publicJwks(keys), now + tenMinutes - 1)).toEqual(claims);
    expect(await verifyLoginToken(token, publicJwks(keys), now + tenMinutes)).toBeNull();
  });

  test("says how it is signed and with which key", async () => {
    expect(decodeProtectedHeader(await sign())).toEqual({ alg: "EdDSA", typ: "JWT", kid: keys[0]?.kid });
  });

  test("is not judged by keys that cannot be used", async () => {
    const unusable = { keys: publicJwks(keys).keys.map((key) => ({ ...key, x: "AAAA" })) };
    await expect(verifyLoginToken(await sign(), unusable, now)).rejects.toThrow();
  });

  test("is one segment of a path, however strange the user agent", async () => {
    const token = await sign('ÿ/?#%\\"'.repeat(25));
    expect(token).toMatch(/^[\w.-]+$/);
    expect(token.length).toBeLessThan(1024);
    expect((await verifyLoginToken(token, publicJwks(keys), now))?.userAgent).toHaveLength(175);
  });

  test.for([
    ["no id", { jti: undefined }],
    ["an id that is none", { jti: "../elsewhere" }],
    ["no end", { exp: undefined }],
    ["no beginning", { iat: undefined }],
    ["no issuer", { iss: undefined }],
    ["no audience", { aud: undefined }],
    ["no user agent", { ua: undefined }],
    ["another audience", { aud: "registry" }],
  ] as const)("with %s is not accepted", async ([, claims]) => {
    expect(await verifyLoginToken(await signOtherwise({}), publicJwks(keys), now)).not.toBeNull();
    expect(await verifyLoginToken(await signOtherwise(claims), publicJwks(keys), now)).toBeNull();
  });

  test("of another deployment, a changed one and no token at all are not accepted", async () => {
    expect(await verifyLoginToken(await sign("", otherKeys), publicJwks(keys), now)).toBeNull();
    const changed = (await sign()).replace(/\.[^.]{4}/, ".AAAA");
    for (const text of [changed, "", "a.b.c", "x"]) {
      expect(await verifyLoginToken(text, publicJwks(keys), now)).toBeNull();
    }
  });

  test("is not confused with the tokens of connections and of the registry", async () => {
    const signer = await importSigningKey(keys);
    const grant = { issuer, account: "cli-login", cluster: "main", backendId: id, grantedAt: now };
    expect(
      await verifyLoginToken(await signConnectionToken(signer, grant), publicJwks(keys), now),
    ).toBeNull();
    const claims = { sub: "acme", credential: "3f9q7h3kq2m9", access: [] } as const;
    const { token } = await grantRegistryToken(signer, issuer, { ...claims, access: [] }, now);
    expect(await verifyLoginToken(token, publicJwks(keys), now)).toBeNull();
    expect(await verifyRegistryToken(await sign(), publicJwks(keys), now)).toBeNull();
  });
});
