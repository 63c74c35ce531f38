import type { AttemptResult } from "../domain/delivery.ts";
import { webhookAnswerMaxBytes, webhookAttemptTimeoutMs } from "../domain/limits.ts";
import { isoTime } from "../protocol/primitives.ts";
import type { WebhookMessage } from "../protocol/webhook.ts";
import { importSigningSecret, signWebhook } from "../protocol/webhook-signature.ts";
import type { ClusterConfig } from "./contract.ts";

type Outgoing = WebhookMessage extends infer Message
  ? Message extends { type: infer Type; data: infer Data }
    ? { id: string; type: Type; data: Data }
    : never
  : never;
/** A message to a cluster. `id` is the same on every redelivery. */
export type OutgoingWebhook = Outgoing;

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

/** Makes one attempt to deliver a webhook. Never throws: what it met is the answer. */
export async function sendWebhook(
  cluster: Pick<ClusterConfig, "webhookUrl" | "secrets">,
  { id, type, data }: OutgoingWebhook,
  now: number,
): Promise<AttemptResult> {
  const body = JSON.stringify({ type, timestamp: isoTime(now), data });
  const secrets = cluster.secrets.flatMap(({ secret, validUntil }) =>
    validUntil === null || validUntil > now ? [secret] : [],
  );
  const keys = importedKeys(secrets) ?? (await importKeys(secrets));
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), webhookAttemptTimeoutMs);
  try {
    const headers = await signWebhook(keys, id, Math.floor(now / 1000), body);
    const response = await fetch(cluster.webhookUrl, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "slipway", ...headers },
      body,
      redirect: "manual",
      signal: timeout.signal,
    });
    return {
      met: "answer",
      status: response.status,
      retryAfter: response.headers.get("retry-after"),
      location: response.headers.get("location"),
      body: await readAtMost(response, webhookAnswerMaxBytes),
    };
  } catch (error) {
    if (timeout.signal.aborted) return { met: "timeout" };
    return { met: "connection_error", message: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** The first bytes of an answer as text; the rest is not waited for. */
async function readAtMost(response: Response, maxBytes: number): Promise<string> {
  if (!response.body) return "";
  // HTTP holds an answer to the length that it announces, and reading it in one piece is quicker.
  const announced = response.headers.get("content-length");
  if (announced !== null && Number(announced) <= maxBytes) return response.text();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    text += decoder.decode(chunk, { stream: true });
    if (bytes >= maxBytes) break;
  }
  return text;
}
