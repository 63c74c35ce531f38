import { env } from "cloudflare:workers";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { startSession } from "../../../src/edge/credentials/sessions.ts";
import { Account } from "../../../src/objects/account/account.ts";
import { accountStub } from "../../../src/objects/stubs.ts";
import { parseAccessToken } from "../../../src/protocol/tokens/access-token.ts";
import { createdAccount, createdToken, tokenList } from "../../../src/protocol/v3/accounts.ts";
import {
  call,
  createAccount,
  createCluster,
  createToken,
  freshName,
  refusal,
  type TestAccount,
} from "../../support/worker/api.ts";

const idOf = (token: string) => parseAccessToken(token)?.id ?? "";

async function sessionOf({ name }: TestAccount, tokenId: string): Promise<string> {
  const started = await startSession(env, { account: name, tokenId }, "cli", "a client");
  if (!started.ok) throw new Error(started.error.message);
  return started.value.token;
}

const tokensPath = ({ name }: TestAccount) => `/v3/accounts/${name}/tokens`;

describe("the answers about tokens", () => {
  test("show the rights and the maker of each: of a new one, in the list, and of an account's first", async () => {
    const json = { name: freshName("made") };
    const { token: first } = await call(createdAccount, "/v3/accounts", { token: env.ROOT_TOKEN, json });
    expect(first).toMatchObject({ rights: [], made_by: null });
    const account = { name: json.name, admin: first.secret_token };
    const by = { token_id: first.id, token_name: "first admin" };
    const made = await createToken(account, { role: "spawn", rights: ["check", "approve"] });
    expect(made).toMatchObject({ role: "spawn", rights: ["approve", "check"], made_by: by });
    await createCluster(account);
    const { tokens } = await call(tokenList, tokensPath(account), { token: account.admin });
    expect(tokens.map(({ role, rights, made_by }) => ({ role, rights, made_by }))).toEqual([
      { role: "agent", rights: [], made_by: by },
      { role: "spawn", rights: ["approve", "check"], made_by: by },
      { role: "admin", rights: [], made_by: null },
    ]);
  });

  test("name as the maker the token of the session that made it", async () => {
    const account = await createAccount();
    const admin = await createToken(account, { role: "admin" });
    const token = await sessionOf(account, admin.id);
    const json = { name: "bot", role: "read" };
    const made = await call(createdToken, tokensPath(account), { token, json });
    expect(made.made_by).toEqual({ token_id: admin.id, token_name: "of a test" });
  });
});

test("whoever calls, with a token or in its session, is known to the objects by role, rights and makers", async () => {
  const account = await createAccount();
  const admin = await createToken(account, { role: "admin", rights: ["approve"] });
  const json = { name: "x", role: "read" };
  const created = vi.spyOn(Account.prototype, "createToken");
  onTestFinished(() => created.mockRestore());
  const actor = {
    tokenId: admin.id,
    tokenName: "of a test",
    role: "admin",
    rights: ["approve"],
    makers: [idOf(account.admin)],
  };
  for (const token of [admin.secret_token, await sessionOf(account, admin.id)]) {
    const made = await call(createdToken, tokensPath(account), { token, json });
    expect(created.mock.lastCall?.[2].actor).toEqual(actor);
    const known = await accountStub(env, account.name).identityOf(made.id);
    expect(known).toMatchObject({ value: { makers: [admin.id, idOf(account.admin)] } });
  }
  await createToken(account, { role: "read" });
  // Empty lists do not go along with every call.
  expect(created.mock.lastCall?.[2].actor).toEqual({
    tokenId: idOf(account.admin),
    tokenName: "first admin",
    role: "admin",
  });
});

test("a right is no role: with all of them a token may not do what its role does not permit", async () => {
  const account = await createAccount();
  const { secret_token: token } = await createToken(account, {
    role: "deploy",
    rights: ["approve", "check"],
  });
  const json = { name: "x", role: "read", rights: ["approve"] };
  expect(await refusal(tokensPath(account), { token, json })).toMatchObject({
    status: 403,
    code: "forbidden",
  });
});
