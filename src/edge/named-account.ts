import { BoundedMap } from "../domain/bounded-map.ts";
import type { Result } from "../domain/result.ts";
import type { AccountRpc } from "../objects/contract.ts";
import type { Env } from "../objects/env.ts";
import { accountRegisterStub, accountStub } from "../objects/stubs.ts";

const rememberedAccounts = 10_000;

/** Of the isolate. An account is never deleted. */
const known = new BoundedMap<true>(rememberedAccounts);

/**
 * Calls the account that a credential names, before it is known to be good, or that the root token's holder names: they
 * may name any. Where there is no such account nothing is called, since that would leave something behind, and take
 * longer than a wrong credential does.
 * @returns null where there is no such account
 */
export async function callNamedAccount<T>(
  env: Env,
  name: string,
  call: (
    account: Pick<AccountRpc, "authenticate" | "authenticateFor" | "useLoginLink" | "setQuotas">,
  ) => Promise<Result<T>>,
): Promise<Result<T> | null> {
  const register = accountRegisterStub(env);
  const standing = known.get(name) ? "known" : await register.accountStanding(name);
  if (standing === "unknown") return null;
  const answer = await call(accountStub(env, name));
  if (standing === "unsure") {
    if (!answer.ok) return answer;
    await register.registerAccount(name, false);
  }
  known.set(name, true);
  return answer;
}
