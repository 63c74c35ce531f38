import { ok } from "../../domain/result.ts";
import type { Caller } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub } from "../../objects/stubs.ts";

interface AccountCall {
  env: Env;
  params: { account: string };
}

/** Creates a service, as v1 and v2 do it. */
export async function createService({
  env,
  params,
  body,
  caller,
}: AccountCall & { body: { name: string }; caller: Caller }) {
  const created = await accountStub(env, params.account).createService({ name: body.name }, caller);
  return created.ok ? ok({ status: "ok" } as const) : created;
}

/** The names of an account's services, as v1 and v2 list them. */
export async function listServices({ env, params }: AccountCall) {
  const names = await accountStub(env, params.account).serviceNames();
  return names.ok ? ok({ services: names.value }) : names;
}
