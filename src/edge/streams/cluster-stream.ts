import { type AttemptResult, judgeAttempt } from "../../domain/deliveries/delivery.ts";
import { webhookAttemptTimeoutMs } from "../../domain/limits.ts";
import { type Failure, ok, type Result } from "../../domain/result.ts";
import type { SignedGet } from "../../objects/contract.ts";
import { responseOutcome } from "../../objects/webhooks/webhook-sender.ts";
import { CodedAnswer, fetchAnswer } from "../../protocol/remote-answer.ts";

/** Names the request in messages of failures. */
interface StreamRequest {
  cluster: string;
  /** `logs of backend …` */
  what: string;
}

type Outcome =
  | AttemptResult
  | { outcome: "other_content"; contentType: string | null }
  | { outcome: "coded"; message: string };

/**
 * Requests a stream of server-sent events from a cluster.
 * @param headTimeoutMs how long to wait for the head of the answer; the stream itself has no timeout
 * @returns the answer, whose body the caller must lock at once: an unread body is cancelled when its answer is
 *   garbage-collected. Else `not_found` where the cluster has no such stream, `cluster_unavailable` where a retry may
 *   succeed, or `cluster_bad_answer`
 */
export async function openClusterStream(
  requested: StreamRequest,
  { url, headers }: SignedGet,
  headTimeoutMs: number = webhookAttemptTimeoutMs,
): Promise<Result<Response>> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), headTimeoutMs);
  try {
    const response = await fetchAnswer(url, {
      headers: { accept: "text/event-stream", "user-agent": "slipway", ...headers },
      redirect: "manual",
      signal: late.signal,
    });
    if (!response.ok) {
      return { ok: false, error: streamFailure(requested, await responseOutcome(response, late.signal)) };
    }
    const contentType = response.headers.get("content-type");
    if (response.status === 200 && isEventStream(contentType)) return ok(response);
    await response.body?.cancel();
    return { ok: false, error: streamFailure(requested, { outcome: "other_content", contentType }) };
  } catch (error) {
    if (late.signal.aborted) return { ok: false, error: streamFailure(requested, { outcome: "timeout" }) };
    const message = error instanceof Error ? error.message : String(error);
    const outcome = error instanceof CodedAnswer ? "coded" : "connection_error";
    return { ok: false, error: streamFailure(requested, { outcome, message }) };
  } finally {
    clearTimeout(timer);
  }
}

function isEventStream(contentType: string | null): boolean {
  return contentType?.split(";", 1)[0]?.trim().toLowerCase() === "text/event-stream";
}

/** The failure for an attempt that gave no stream. A 401 from the cluster is not passed on: it is not the caller's. */
function streamFailure({ cluster, what }: StreamRequest, result: Outcome): Failure {
  const bad = (why: string): Failure => ({
    code: "cluster_bad_answer",
    message: `cluster \`${cluster}\` gave no ${what}: ${why}`,
  });
  if (result.outcome === "other_content") {
    return bad(`it answered with ${result.contentType ?? "no content"} where text/event-stream was expected`);
  }
  if (result.outcome === "coded") return bad(result.message);
  const verdict = judgeAttempt(result, null);
  switch (verdict.verdict) {
    case "retry":
      return {
        code: "cluster_unavailable",
        message: `cluster \`${cluster}\` gave no ${what}: ${verdict.message}`,
        retryAfterSeconds: Math.max(2, Math.ceil(verdict.retryAfterMs / 1000)),
      };
    case "refused":
      if (verdict.status !== 404) return bad(verdict.message);
      return { code: "not_found", message: `cluster \`${cluster}\` has no ${what}: ${verdict.message}` };
    case "delivered":
      return bad("it answered without a stream");
  }
}
