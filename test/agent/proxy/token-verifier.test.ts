import { createHmac } from "node:crypto";
import { afterEach, expect, test, vi } from "vitest";
import { tokenVerifier } from "../../../src/agent/proxy/token-verifier.ts";
import {
  importSigningKey,
  publicJwks,
  signConnectionToken,
} from "../../../src/protocol/tokens/connection-token.ts";
import { makeSigningKeys } from "../../../src/protocol/tokens/signing-keys.ts";

const backendId = "k3f9q7h3kq2m9";
const spawnSecret = "the backend's secret";
const hourMs = 3600 * 1000;

afterEach(() => {
  vi.useRealTimers();
});

/** A verifier, what signs for it, and how often it requested keys: once for each token that it really verified. */
async function startTokens(options: { rememberAtMost?: number } = {}) {
  let signingKeys = await makeSigningKeys();
  let keys = publicJwks(signingKeys);
  const state = { verifications: 0 };
  const tokens = tokenVerifier({
    ...options,
    account: "acme",
    cluster: "eu-prod",
    keys: {
      current: () => keys,
      async forKeyId() {
        state.verifications++;
        return keys;
      },
    },
  });
  return {
    state,
    verify: (token: string, id = backendId, secret = spawnSecret) => tokens.verify(token, id, secret),
    async sign(
      grant: { user?: string; grantedAt?: number; tokenId?: string; auth?: Record<string, string> } = {},
    ) {
      return signConnectionToken(await importSigningKey(signingKeys), {
        issuer: "https://slipway.test",
        account: "acme",
        cluster: "eu-prod",
        backendId,
        grantedAt: Date.now(),
        ...grant,
      });
    },
    async rotate() {
      signingKeys = await makeSigningKeys();
      keys = publicJwks(signingKeys);
    },
  };
}

test("a token that was found good is not verified again, and says the same", async () => {
  const { state, sign, verify } = await startTokens();
  const token = await sign({ user: "alice" });
  const first = await verify(token);
  const said = [
    ...["x-verified-username", "alice", "x-verified-user-data", "{}"],
    ...["x-verified-backend", backendId],
  ];
  expect(first).toEqual({ ok: true, value: said });
  expect(await verify(token)).toEqual(first);
  expect(state.verifications).toBe(1);
});

test("a token with an id gives the secret of its connection, the second time as well", async () => {
  const { state, sign, verify } = await startTokens();
  for (const tokenId of ["1", "2"]) {
    const token = await sign({ tokenId });
    const secret = createHmac("sha256", spawnSecret).update(tokenId).digest("hex");
    for (let i = 0; i < 2; i++) {
      expect(await verify(token)).toMatchObject({
        value: ["x-verified-user-data", "{}", "x-verified-backend", backendId, "x-verified-secret", secret],
      });
    }
  }
  expect(state.verifications).toBe(2);
});

test("a token with an id is good where the spawn had an empty secret, and gives none", async () => {
  const { sign, verify } = await startTokens();
  const value = ["x-verified-user-data", "{}", "x-verified-backend", backendId];
  expect(await verify(await sign({ tokenId: "1" }), backendId, "")).toEqual({ ok: true, value });
});

test("a token that was found good for one backend is not good for another", async () => {
  const { sign, verify } = await startTokens();
  const token = await sign();
  expect((await verify(token)).ok).toBe(true);
  expect(await verify(token, "k3f9q0000000z")).toMatchObject({ ok: false, error: { code: "unauthorized" } });
});

test("a token that is not good is verified every time", async () => {
  const { state, verify } = await startTokens();
  for (const expected of [1, 2]) {
    expect((await verify("nonsense")).ok).toBe(false);
    expect(state.verifications).toBe(expected);
  }
});

test("a token that was found good is refused from the second on in which it expires", async () => {
  const { sign, verify } = await startTokens();
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
  const token = await sign();
  expect((await verify(token)).ok).toBe(true);
  const expiresAt = (Math.floor(Date.now() / 1000) + (24 * hourMs) / 1000) * 1000;
  vi.setSystemTime(expiresAt - 1);
  expect((await verify(token)).ok).toBe(true);
  vi.setSystemTime(expiresAt);
  expect(await verify(token)).toMatchObject({ ok: false, error: { code: "unauthorized" } });
});

test("tokens that were found good are forgotten when the keys change", async () => {
  const { sign, verify, rotate } = await startTokens();
  const token = await sign();
  expect((await verify(token)).ok).toBe(true);
  await rotate();
  expect((await verify(token)).ok).toBe(false);
});

test("only so many tokens are remembered, the latest ones", async () => {
  const { state, sign, verify } = await startTokens({ rememberAtMost: 3 });
  const [first = "", ...others] = await Promise.all(["a", "b", "c", "d"].map((user) => sign({ user })));
  for (const token of [first, ...others]) expect((await verify(token)).ok).toBe(true);
  expect(state.verifications).toBe(4);
  for (const token of others) await verify(token);
  expect(state.verifications).toBe(4);
  await verify(first);
  expect(state.verifications).toBe(5);
});

test("a token that is very long is good, but not remembered", async () => {
  const { state, sign, verify } = await startTokens();
  const long = await sign({ auth: { text: "x".repeat(4000) } });
  for (const expected of [1, 2]) {
    expect((await verify(long)).ok).toBe(true);
    expect(state.verifications).toBe(expected);
  }
});
