import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defaultQuotas, quotaLimitMax } from "../../../src/domain/limits.ts";
import { eachQuota } from "../../../src/domain/quotas.ts";
import { account as accountSchema } from "../../../src/protocol/v3/accounts.ts";
import {
  call,
  createAccount,
  createService,
  createToken,
  freshName,
  refusal,
  send,
  type TestAccount,
} from "../../support/worker/api.ts";

const path = ({ name }: Pick<TestAccount, "name">) => `/v3/accounts/${name}`;
const describeAccount = (account: TestAccount) =>
  call(accountSchema, path(account), { token: account.admin });
const patch = (quotas: unknown) => ({ method: "PATCH", token: env.ROOT_TOKEN, json: { quotas } });

describe("GET /v3/accounts/{account}", () => {
  test("says what is used of each quota, and its limit", async () => {
    const account = await createAccount();
    await createService(account);
    const used = { ...eachQuota(() => 0), services: 1, environments: 1, tokens: 1 };
    expect(await describeAccount(account)).toEqual({
      name: account.name,
      quotas: eachQuota((name) => ({ used: used[name], limit: defaultQuotas[name] })),
    });
  });

  test("is for the whole account: a token narrowed to a part of it is refused as elsewhere", async () => {
    const account = await createAccount();
    await createService(account);
    for (const scope of [{ service: "hello" }, { service: "hello", environments: ["default"] }]) {
      const { secret_token: token } = await createToken(account, { role: "admin", ...scope });
      const refused = await refusal(path(account), { token });
      expect(refused).toMatchObject({ status: 403, code: "forbidden" });
      expect(refused.message).toContain("service `hello`");
    }
    for (const role of ["read", "spawn", "deploy"] as const) {
      const { secret_token: token } = await createToken(account, { role });
      expect((await send(path(account), { token })).status).toBe(200);
    }
  });
});

describe("PATCH /v3/accounts/{account}", () => {
  test("sets what it names, to the next request on, and null is the default", async () => {
    const account = await createAccount();
    const set = await call(accountSchema, path(account), patch({ services: 0, untagged_bytes: 5 }));
    expect(set.quotas.services).toEqual({ used: 0, limit: 0 });
    expect(set).toEqual(await describeAccount(account));
    const refused = await refusal(`${path(account)}/services`, {
      token: account.admin,
      json: { name: "hello" },
    });
    expect(refused).toMatchObject({
      status: 403,
      code: "quota_exceeded",
      message: "the account's quota `services` does not allow 1 more: 0 of 0 are used",
    });
    const taken = await call(accountSchema, path(account), patch({ services: null }));
    expect(taken.quotas).toMatchObject({
      services: { limit: defaultQuotas.services },
      untagged_bytes: { limit: 5 },
    });
    await createService(account);
  });

  test("is for the root token alone", async () => {
    const account = await createAccount();
    const refused = await refusal(path(account), { ...patch({ tags: 1 }), token: account.admin });
    expect(refused).toMatchObject({ status: 401, code: "unauthorized" });
    expect((await describeAccount(account)).quotas.tags.limit).toBe(defaultQuotas.tags);
  });

  test("finds no account that there is not, and makes none", async () => {
    const name = freshName("nobody");
    expect(await refusal(path({ name }), patch({ tags: 1 }))).toMatchObject({
      status: 404,
      code: "account_not_found",
    });
    await createAccount(name);
  });

  const bad: unknown[] = [
    { pins: 1 },
    { tags: -1 },
    { tags: 1.5 },
    { tags: "1" },
    { tags: quotaLimitMax + 1 },
    { tags: 1, toString: 1 },
    { constructor: 1 },
    null,
  ];

  test.for(bad)("refuses %j, and sets nothing", async (quotas) => {
    const account = await createAccount();
    expect(await refusal(path(account), patch(quotas))).toMatchObject({ status: 400, code: "bad_request" });
    expect((await describeAccount(account)).quotas.tags.limit).toBe(defaultQuotas.tags);
  });
});

test("Jamsocket's clients are answered 403 with the code too", async () => {
  const account = await createAccount();
  await call(accountSchema, path(account), patch({ services: 0 }));
  for (const below of [`/user/${account.name}/service`, `/v2/account/${account.name}/service`]) {
    const refused = await send(below, { token: account.admin, json: { name: "hello" } });
    const body = z.looseObject({ error: z.looseObject({ code: z.string() }) }).parse(await refused.json());
    expect([refused.status, body.error.code]).toEqual([403, "quota_exceeded"]);
  }
});
