import { loginLinkMaxSeconds } from "../domain/limits.ts";
import { loginLink } from "../protocol/v3/sessions.ts";
import { demoAccount } from "./account.ts";
import { apiClient, expectDone } from "./api.ts";

/** Makes a link that logs in to the demo account once, within a day. @returns its URL */
export async function makeLoginLink(apiUrl: string, token: string): Promise<string> {
  const made = await apiClient(apiUrl, token, ["accounts", demoAccount]).send({
    method: "POST",
    path: ["login-links"],
    body: { ok: true, value: { expires_in_seconds: loginLinkMaxSeconds } },
    answer: loginLink,
  });
  return expectDone(made, "a login link").body.url;
}
