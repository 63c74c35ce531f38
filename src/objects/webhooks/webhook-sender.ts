import type { AttemptResult } from "../../domain/deliveries/delivery.ts";
import { webhookAnswerMaxBytes, webhookAttemptTimeoutMs } from "../../domain/limits.ts";
import { isoTime } from "../../protocol/primitives.ts";
import type { WebhookMessage } from "../../protocol/webhooks/webhook.ts";
import type { ClusterConfig } from "../contract.ts";
import { signForCluster } from "./cluster-signature.ts";
import type { Turn } from "./send-queue.ts";

type Outgoing = WebhookMessage extends infer Message
  ? Message extends { type: infer Type; data: infer Data }
    ? { id: string; type: Type; data: Data }
    : never
  : never;
/** A message to a cluster. `id` is the same on every redelivery. */
export type OutgoingWebhook = Outgoing;

/** Makes one attempt to deliver a webhook. A failure is an outcome. @param turn ends when the answer begins, or with the attempt */
export async function sendWebhook(
  cluster: Pick<ClusterConfig, "webhookUrl" | "secrets">,
  { id, type, data }: OutgoingWebhook,
  turn: Turn,
  now: number,
): Promise<AttemptResult> {
  const body = JSON.stringify({ type, timestamp: isoTime(now), data });
  const headers = await signForCluster(cluster, id, now, body);
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), webhookAttemptTimeoutMs);
  try {
    const response = await fetch(cluster.webhookUrl, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "slipway", ...headers },
      body,
      redirect: "manual",
      signal: timeout.signal,
    });
    turn.answered();
    return await responseOutcome(response);
  } catch (error) {
    if (timeout.signal.aborted) {
      turn.timedOut();
      return { outcome: "timeout" };
    }
    return { outcome: "connection_error", message: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
    turn.answered();
  }
}

/** The outcome of an attempt that was answered. */
export async function responseOutcome(response: Response): Promise<AttemptResult> {
  return {
    outcome: "response",
    status: response.status,
    retryAfter: response.headers.get("retry-after"),
    location: response.headers.get("location"),
    body: await readAtMost(response, webhookAnswerMaxBytes),
  };
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
