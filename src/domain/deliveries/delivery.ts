import { retryAfterLongestMs } from "../limits.ts";

/** The outcome of one attempt to deliver a webhook. */
export type AttemptResult =
  /** The cluster has answered, with whatever status. */
  | { outcome: "response"; status: number; retryAfter: string | null; body: string; location: string | null }
  /** No complete answer came within the attempt's time; the cluster may have received the webhook all the same. */
  | { outcome: "timeout" }
  /** No connection came about, or it broke off. */
  | { outcome: "connection_error"; message: string }
  /** Its turn to be sent did not come in time: the cluster, or others, had not answered what was sent before. */
  | { outcome: "unsent" };

/** What follows from an attempt. */
export type DeliveryVerdict =
  /** The cluster has the webhook: it is not sent again. */
  | { verdict: "delivered"; body: string }
  /** Final: the cluster has said no, or is set up in a way that a repetition cannot mend. */
  | { verdict: "refused"; status: number; message: string }
  /** It may be delivered later: the cluster was not reached, or has said that it is not able for now. */
  | {
      verdict: "retry";
      message: string;
      retryAfterMs: number;
      /** Whether it is known that the cluster did not act on it. Without an answer, or with one of an error, it may have. */
      declined: boolean;
    };

/**
 * Sorts the result of an attempt into what may be repeated and what may not: 2xx is delivered, 429, 5xx and no answer
 * are retried, everything else is refused, redirects too. The cluster's own reason is in the message where it gives one.
 * The rule is in src/protocol/README.md, "Cluster webhooks".
 * @example judgeAttempt({ outcome: "timeout" }) // { verdict: "retry", message: "the cluster did not answer in time", … }
 */
export function judgeAttempt(result: AttemptResult): DeliveryVerdict {
  if (result.outcome === "timeout") return retry("the cluster did not answer in time");
  if (result.outcome === "unsent") {
    return { ...retry("it waited in vain for the answers to earlier webhooks"), declined: true };
  }
  if (result.outcome === "connection_error")
    return retry(`the cluster could not be reached: ${result.message}`);
  const { status } = result;
  if (status >= 200 && status < 300) return { verdict: "delivered", body: result.body };
  if (status === 429 || status >= 500) {
    const reason = refusalMessage(result.body);
    const answered = `the cluster answered ${status}`;
    return {
      ...retry(reason === undefined ? answered : `${answered}: ${reason}`, retryAfterMs(result.retryAfter)),
      declined: status === 429,
    };
  }
  if (status >= 300 && status < 400) {
    const to = result.location === null ? "" : ` to ${result.location}`;
    return refused(
      status,
      `the cluster's webhook answered with a redirect (${status}${to}), which is not followed`,
    );
  }
  return refused(status, refusalMessage(result.body) ?? `the cluster answered ${status}`);
}

function retry(message: string, afterMs = 0): Extract<DeliveryVerdict, { verdict: "retry" }> {
  return { verdict: "retry", message, retryAfterMs: afterMs, declined: false };
}

function refused(status: number, message: string): DeliveryVerdict {
  return { verdict: "refused", status, message };
}

/**
 * Reads a Retry-After header (RFC 9110, 10.2.3), up to `retryAfterLongestMs`. Its date form would compare the clocks of
 * two machines, and is ignored.
 * @returns milliseconds; 0 for anything that cannot be used
 * @example retryAfterMs("7") // 7000
 */
export function retryAfterMs(header: string | null): number {
  if (header === null || !/^\d{1,6}$/.test(header.trim())) return 0;
  return Math.min(Number(header) * 1000, retryAfterLongestMs);
}

function refusalMessage(body: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== "object" || parsed === null || !("error" in parsed)) return undefined;
    const { error } = parsed;
    if (typeof error !== "object" || error === null || !("message" in error)) return undefined;
    return typeof error.message === "string" ? error.message.slice(0, 1000) : undefined;
  } catch {
    return undefined;
  }
}
