import { createdAccount, tokenList } from "../protocol/v3/accounts.ts";
import { apiClient, expectDone } from "./api.ts";
import type { LocalStateFile } from "./state/state.ts";

export const demoAccount = "demo";

/** Makes sure that the demo account exists. @returns its admin token */
export async function ensureAccount(apiUrl: string, file: LocalStateFile): Promise<string> {
  const { state } = file;
  if (state.token !== null) {
    const api = apiClient(apiUrl, state.token, ["accounts", demoAccount]);
    expectDone(
      await api.get(["tokens"], tokenList, { limit: "1" }),
      `the token in ${file.path} does not open account \`${demoAccount}\` any more; start with a new --state-dir`,
    );
    return state.token;
  }
  const created = await apiClient(apiUrl, state.root_token).send({
    method: "POST",
    path: ["accounts"],
    body: { ok: true, value: { name: demoAccount } },
    headers: { "idempotency-key": state.account_idempotency_key },
    answer: createdAccount,
  });
  const { body } = expectDone(
    created,
    `account \`${demoAccount}\` cannot be created (if it exists, its token was lost: start with a new --state-dir)`,
  );
  await file.update({ token: body.token.secret_token });
  return body.token.secret_token;
}
