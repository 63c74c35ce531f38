import { serviceNamesPerCall, servicesListed } from "../../domain/limits.ts";
import { ok, type Result } from "../../domain/result.ts";
import type { Caller } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub } from "../../objects/stubs.ts";
import { hintOf } from "../request-origin.ts";

interface AccountCall {
  env: Env;
  params: { account: string };
}

/** Creates a service, as v1 and v2 do it: near the request. */
export async function createService({
  env,
  request,
  params,
  body,
  caller,
}: AccountCall & { request: Request; body: { name: string }; caller: Caller }) {
  const account = accountStub(env, params.account);
  const created = await account.createService({ name: body.name, ...hintOf(request) }, caller);
  return created.ok ? ok({ status: "ok" } as const) : created;
}

/** The names of an account's services, as v1 and v2 list them: the first by name. */
export async function listServices({ env, params }: AccountCall) {
  const services: string[] = [];
  for await (const names of servicePages(env, params.account)) {
    if (!names.ok) return names;
    services.push(...names.value);
    if (services.length >= servicesListed) break;
  }
  return ok({ services: services.slice(0, servicesListed) });
}

/** The names of an account's services in pages, by name. The last page is not full, or a failure. */
export async function* servicePages(env: Env, account: string): AsyncGenerator<Result<string[]>> {
  for (let after: string | undefined = ""; after !== undefined; ) {
    const names: Result<string[]> = await accountStub(env, account).serviceNames(after);
    yield names;
    after = names.ok && names.value.length >= serviceNamesPerCall ? names.value.at(-1) : undefined;
  }
}
