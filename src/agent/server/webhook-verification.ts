import { Webhook } from "standardwebhooks";
import { signingSecret } from "../../protocol/webhooks/signature.ts";
import { messageOf } from "../log.ts";

export type Verification = { ok: true } | { ok: false; reason: string };

/**
 * Checks the signature and the timestamp (five minutes) of webhooks against any of the secrets: while one is
 * being rotated two are good. Throws if a secret is malformed or there is none.
 */
export function webhookVerifier(
  secrets: readonly string[],
): (body: Buffer, headers: Record<string, string>) => Verification {
  if (secrets.length === 0) throw new Error("at least one signing secret is needed");
  const webhooks = secrets.map((secret) => new Webhook(signingSecret.parse(secret)));
  return (body, headers) => {
    let reason = "";
    for (const webhook of webhooks) {
      try {
        webhook.verify(body, headers, { jsonParse: false });
        return { ok: true };
      } catch (error) {
        reason = messageOf(error);
      }
    }
    return { ok: false, reason };
  };
}
