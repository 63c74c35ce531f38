import type { AttemptResult } from "../../domain/deliveries/delivery.ts";
import { webhookAnswerMaxBytes, webhookAttemptTimeoutMs } from "../../domain/limits.ts";
import { isoTime } from "../../protocol/primitives.ts";
import { fetchAnswer, readStart } from "../../protocol/remote-answer.ts";
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
/** What is sent until it has arrived, and logged. A touch is a call: who waits for it has its answer. */
export type DeliveredWebhook = Exclude<OutgoingWebhook, { type: "backend.touch" }>;

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
    const response = await fetchAnswer(cluster.webhookUrl, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "slipway", ...headers },
      body,
      redirect: "manual",
      signal: timeout.signal,
    });
    turn.answered();
    return await responseOutcome(response, timeout.signal);
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

/** The outcome of an attempt that was answered. Rejects when the signal is aborted before the answer's body was read. */
export async function responseOutcome(response: Response, signal: AbortSignal): Promise<AttemptResult> {
  return {
    outcome: "response",
    status: response.status,
    date: response.headers.get("date"),
    retryAfter: response.headers.get("retry-after"),
    location: response.headers.get("location"),
    body: await readStart(response, { maxBytes: webhookAnswerMaxBytes, signal }),
  };
}
