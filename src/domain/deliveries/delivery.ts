import { retryAfterLongestMs } from "../limits.ts";

/** Every webhook that a cluster is sent. */
export const deliveryTypes = ["backend.spawn", "backend.terminate", "image.pinned", "cluster.ping"] as const;
/** What a webhook is for. */
export type DeliveryType = (typeof deliveryTypes)[number];

/** The outcome of one attempt to deliver a webhook. */
export type AttemptResult =
  /** The cluster has answered, with whatever status. `date`, `retryAfter` and `location` are its headers. */
  | {
      outcome: "response";
      status: number;
      date: string | null;
      retryAfter: string | null;
      body: string;
      location: string | null;
    }
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
 * Answers that say nothing of the webhook itself: what stands before the agent gives them while that is away, and servers
 * that would not have it on this connection, at this moment, or so slowly (RFC 9110 15.5.5, 15.5.9 and 15.5.20, RFC 8470 5.2).
 */
export const retriedRefusals: ReadonlySet<number> = new Set([404, 408, 421, 425]);

/**
 * Sorts the result of an attempt into what may be repeated and what may not: 2xx is delivered, 429, 5xx and no answer
 * are retried, everything else is refused, redirects too. Of a spawn and a termination 404, 408, 421 and 425 are retried as
 * well, but for a termination's 404 with JSON in its body: the agent knows of no such backend. The cluster's own reason is in
 * the message where it gives one. The rule is in src/protocol/README.md, "Cluster webhooks".
 * @param type what was sent; null for a request that is no webhook
 * @example judgeAttempt({ outcome: "timeout" }, null) // { verdict: "retry", message: "the cluster did not answer in time", … }
 */
export function judgeAttempt(result: AttemptResult, type: DeliveryType | null): DeliveryVerdict {
  if (result.outcome === "timeout") return retry("the cluster did not answer in time");
  if (result.outcome === "unsent") {
    return { ...retry("it waited in vain for the answers to earlier webhooks"), declined: true };
  }
  if (result.outcome === "connection_error")
    return retry(`the cluster could not be reached: ${result.message}`);
  const { status } = result;
  if (status >= 200 && status < 300) return { verdict: "delivered", body: result.body };
  if (status === 429 || status >= 500 || isRetriedRefusal(type, status, result.body)) {
    const reason = refusalMessage(result.body);
    const answered = `the cluster answered ${status}`;
    return {
      ...retry(reason === undefined ? answered : `${answered}: ${reason}`, retryAfterMs(result)),
      declined: status < 500,
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

/** Whether a cluster has said that the backend that it is to end is not there. */
export function isNotThere(type: DeliveryType, verdict: DeliveryVerdict): boolean {
  return type === "backend.terminate" && verdict.verdict === "refused" && verdict.status === 404;
}

function isRetriedRefusal(type: DeliveryType | null, status: number, body: string): boolean {
  if (type !== "backend.spawn" && type !== "backend.terminate") return false;
  if (type === "backend.terminate" && status === 404) return !isJson(body);
  return retriedRefusals.has(status);
}

function retry(message: string, afterMs = 0): Extract<DeliveryVerdict, { verdict: "retry" }> {
  return { verdict: "retry", message, retryAfterMs: afterMs, declined: false };
}

function refused(status: number, message: string): DeliveryVerdict {
  return { verdict: "refused", status, message };
}

/**
 * Reads a Retry-After header (RFC 9110 10.2.3), up to `retryAfterLongestMs`. A date counts from the answer's own `Date`, so that
 * no clocks of two machines are compared.
 * @returns milliseconds; 0 for anything that cannot be used
 * @example retryAfterMs({ retryAfter: "7", date: null }) // 7000
 */
export function retryAfterMs({
  retryAfter,
  date,
}: {
  retryAfter: string | null;
  date: string | null;
}): number {
  if (retryAfter === null) return 0;
  const afterMs = /^\d{1,6}$/.test(retryAfter.trim())
    ? Number(retryAfter) * 1000
    : httpTime(retryAfter) - httpTime(date ?? "");
  return afterMs > 0 ? Math.min(afterMs, retryAfterLongestMs) : 0;
}

/** Milliseconds since the epoch of the preferred form of a date in HTTP (RFC 9110 5.6.7); NaN for any other text. */
function httpTime(text: string): number {
  return /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text.trim())
    ? Date.parse(text)
    : Number.NaN;
}

/** Whether an answer is an agent's own: what stands before it answers with pages. */
export function isJson(body: string): boolean {
  return parsed(body) !== undefined;
}

function refusalMessage(body: string): string | undefined {
  const answer = parsed(body);
  if (typeof answer !== "object" || answer === null || !("error" in answer)) return undefined;
  const { error } = answer;
  if (typeof error !== "object" || error === null || !("message" in error)) return undefined;
  return typeof error.message === "string" ? error.message.slice(0, 1000) : undefined;
}

/** What a text says as JSON; undefined where it is none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
