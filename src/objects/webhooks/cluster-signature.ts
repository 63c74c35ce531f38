import { importSigningSecret, signWebhook, type WebhookHeaders } from "../../protocol/webhooks/signature.ts";
import type { ClusterConfig } from "../contract.ts";

const importedSecretsAtMost = 100;
const importedSecrets = new Map<string, CryptoKey>();

/** The keys of secrets that were all imported before: what is at hand is not waited for. */
function importedKeys(secrets: readonly string[]): CryptoKey[] | null {
  const keys = secrets.flatMap((secret) => importedSecrets.get(secret) ?? []);
  return keys.length === secrets.length ? keys : null;
}

async function importKeys(secrets: readonly string[]): Promise<CryptoKey[]> {
  const keys = await Promise.all(secrets.map(importSigningSecret));
  if (importedSecrets.size >= importedSecretsAtMost) importedSecrets.clear();
  secrets.forEach((secret, i) => {
    const key = keys[i];
    if (key) importedSecrets.set(secret, key);
  });
  return keys;
}

/** Signs what is sent to a cluster with every secret of it that is good at `now` (milliseconds since the epoch). */
export async function signForCluster(
  { secrets }: Pick<ClusterConfig, "secrets">,
  id: string,
  now: number,
  body: string,
): Promise<WebhookHeaders> {
  const good = secrets.flatMap(({ secret, validUntil }) =>
    validUntil === null || validUntil > now ? [secret] : [],
  );
  const keys = importedKeys(good) ?? (await importKeys(good));
  return signWebhook(keys, id, Math.floor(now / 1000), body);
}
