import { decodeJwt, decodeProtectedHeader, SignJWT } from "jose";
import { describe, expect, test } from "vitest";
import {
  bearerChallenge,
  catalogGrant,
  grantRegistryToken,
  parseScopes,
  type RegistryClaims,
  repositoryScope,
  requestsCatalog,
  verifyRegistryToken,
} from "../../../src/protocol/oci/token-authentication.ts";
import { importSigningKey, publicJwks } from "../../../src/protocol/tokens/connection-token.ts";
import { makeSigningKeys } from "../../../src/protocol/tokens/signing-keys.ts";

const now = Date.parse("2030-01-01T00:00:00Z");
const keys = await makeSigningKeys();
const signer = await importSigningKey(keys);
const jwks = publicJwks(keys);
const claims: RegistryClaims = {
  sub: "acme",
  credential: "3f9q7h3kq2m9",
  access: [{ type: "repository", name: "acme/hello", actions: ["pull", "push"] }],
};

test.each([
  [["registry:catalog:*"], true],
  [["repository:acme/hello:pull registry:catalog:*"], true],
  [["repository:acme/hello:pull", "registry:catalog:*"], true],
  [["repository:acme/hello:pull"], false],
  [["registry:catalog:pull", "xregistry:catalog:*", ""], false],
  [[], false],
])("the scopes %j have the list of repositories among them: %s", (scopes, has) => {
  expect(requestsCatalog(scopes)).toBe(has);
});

describe("a registry token", () => {
  test("may be granted the list of repositories", async () => {
    const listing = { ...claims, access: [...claims.access, catalogGrant] };
    const { token } = await grantRegistryToken(signer, "https://api.test", listing, now);
    expect((await verifyRegistryToken(token, jwks, now))?.claims).toEqual(listing);
  });

  test("says what it was granted, until it ends", async () => {
    const { token, expires_in } = await grantRegistryToken(signer, "https://api.test", claims, now);
    expect((await verifyRegistryToken(token, jwks, now + expires_in * 1000 - 1000))?.claims).toEqual(claims);
    expect(await verifyRegistryToken(token, jwks, now + expires_in * 1000 + 1000)).toBeNull();
  });

  test("that has lapsed is known as such for a while", async () => {
    const { token, expires_in } = await grantRegistryToken(signer, "https://api.test", claims, now);
    const expiredAt = now + expires_in * 1000;
    const lapsed = (at: number, from = jwks) => verifyRegistryToken(token, from, at, 5000);
    expect(await lapsed(expiredAt + 4000)).toEqual({ claims, expiresAt: expiredAt });
    expect(await lapsed(expiredAt + 5000)).toBeNull();
    expect(await lapsed(expiredAt, publicJwks(await makeSigningKeys()))).toBeNull();
  });

  /** CNCF distribution, "Token authentication": times in whole seconds (RFC 7519, "NumericDate"). */
  test("is granted for an hour, from the second in which it is", async () => {
    const granted = await grantRegistryToken(signer, "https://api.test", claims, now + 999);
    expect(granted).toEqual({
      token: granted.token,
      access_token: granted.token,
      expires_in: 3600,
      issued_at: "2030-01-01T00:00:00.000Z",
    });
    expect(decodeProtectedHeader(granted.token)).toEqual({ alg: "EdDSA", typ: "JWT", kid: signer.kid });
    expect(decodeJwt(granted.token)).toEqual({
      ...claims,
      iss: "https://api.test",
      aud: "registry",
      iat: 1_893_456_000,
      exp: 1_893_459_600,
    });
  });

  test("of another deployment is none", async () => {
    const { token } = await grantRegistryToken(signer, "https://api.test", claims, now);
    expect(await verifyRegistryToken(token, publicJwks(await makeSigningKeys()), now)).toBeNull();
  });

  test("ends no later than its credential", async () => {
    const granted = await grantRegistryToken(signer, "https://api.test", claims, now, now + 60_999);
    expect(granted.expires_in).toBe(60);
    expect((await verifyRegistryToken(granted.token, jwks, now + 59_000))?.claims).toEqual(claims);
    expect(await verifyRegistryToken(granted.token, jwks, now + 60_000)).toBeNull();
  });

  const whole = {
    ...claims,
    iss: "https://api.test",
    aud: "registry",
    iat: now / 1000,
    exp: now / 1000 + 60,
  };
  /** Without the claims that are undefined. */
  const signed = (claims: { [claim: string]: unknown }) =>
    new SignJWT(JSON.parse(JSON.stringify(claims)))
      .setProtectedHeader({ alg: "EdDSA", kid: signer.kid })
      .sign(signer.key);

  test("is what its claims make it", async () => {
    expect((await verifyRegistryToken(await signed(whole), jwks, now))?.claims).toEqual(claims);
  });

  test.each([
    ["for another audience", { ...whole, aud: "acme/main" }],
    ["without a grant", { ...whole, access: undefined }],
    ["that names no credential", { ...whole, credential: undefined }],
    ["without an end", { ...whole, exp: undefined }],
    ["without an account", { ...whole, sub: undefined }],
  ])("%s is none", async (_, payload) => {
    expect(await verifyRegistryToken(await signed(payload), jwks, now)).toBeNull();
  });

  test.each(["", "a.b.c", "nonsense"])("that is none is refused: `%s`", async (token) => {
    expect(await verifyRegistryToken(token, jwks, now)).toBeNull();
  });
});

/** Else a broken secret would look to every client like a token that has expired, and to nobody like a fault. */
test("keys that cannot be read are a fault of the deployment, not of the token", async () => {
  const { token } = await grantRegistryToken(signer, "https://api.test", claims, now);
  const broken = { keys: jwks.keys.map((key) => ({ ...key, x: "AAAA" })) };
  await expect(verifyRegistryToken(token, broken, now)).rejects.toThrow();
});

describe("scopes", () => {
  test.each([
    ["repository:acme/hello:pull,push", [{ name: "acme/hello", actions: ["pull", "push"] }]],
    ["repository:acme/hello:push,pull,push", [{ name: "acme/hello", actions: ["pull", "push"] }]],
    ["repository:acme/hello:*", [{ name: "acme/hello", actions: ["pull", "push", "delete"] }]],
    ["repository(plugin):acme/hello:pull", [{ name: "acme/hello", actions: ["pull"] }]],
    ["repository:acme/hello:fly", [{ name: "acme/hello", actions: [] }]],
    ["registry:catalog:*", []],
    ["repository:acme/hello", []],
    ["repository:acme/hello:", [{ name: "acme/hello", actions: [] }]],
    ["repository:acme/hello:pull!", []],
    ["repository:acme/hello:pull:push", []],
    ["repository:acme/hello:pull\n", []],
    ["my-repository:acme/hello:pull", []],
    ["repository(a)(b):acme/hello:pull", []],
    ["repository::pull", []],
    ["", []],
  ])("`%s`", (text, expected) => {
    expect(parseScopes([text])).toEqual(expected);
  });

  /** RFC 6749 3.3: separated by spaces; docker repeats the parameter instead. */
  test("are read in their order, from one parameter or from several", () => {
    const expected = [
      { name: "acme/a", actions: ["pull"] },
      { name: "acme/b", actions: ["pull", "push"] },
    ];
    const [first, second] = ["repository:acme/a:pull", "repository:acme/b:push,pull"];
    expect(parseScopes([`${first} ${second}`])).toEqual(expected);
    expect(parseScopes([first, second])).toEqual(expected);
    expect(parseScopes([`${first}  registry:catalog:*`, second])).toEqual(expected);
    expect(parseScopes([])).toEqual([]);
  });
});

test("the challenge names the token endpoint, the service and the scope", () => {
  expect(bearerChallenge("https://api.test", "api.test")).toBe(
    'Bearer realm="https://api.test/v2/token",service="api.test"',
  );
  const wanted = {
    scope: repositoryScope("acme/hello", "push"),
    error: "insufficient_scope",
  } as const;
  expect(bearerChallenge("https://api.test", "api.test", wanted)).toBe(
    'Bearer realm="https://api.test/v2/token",service="api.test",scope="repository:acme/hello:pull,push",error="insufficient_scope"',
  );
});
