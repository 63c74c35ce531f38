import { terminateRedeliveryLongestMs } from "../limits.ts";

/** What one attempt to deliver a webhook met. */
export type AttemptResult =
  | { met: "answer"; status: number; retryAfter: string | null; body: string; location: string | null }
  | { met: "timeout" }
  | { met: "connection_error"; message: string };

export type DeliveryVerdict =
  | { verdict: "delivered"; body: string }
  /** Final: the cluster has said no, or is set up in a way that a repetition cannot mend. */
  | { verdict: "refused"; status: number; message: string }
  | { verdict: "retry"; message: string; retryAfterMs: number };

/** Sorts the result of an attempt into what may be repeated and what may not (src/protocol/README.md, "Cluster webhooks"). */
export function judgeAttempt(result: AttemptResult): DeliveryVerdict {
  if (result.met === "timeout") return retry("the cluster did not answer in time");
  if (result.met === "connection_error") return retry(`the cluster could not be reached: ${result.message}`);
  const { status } = result;
  if (status >= 200 && status < 300) return { verdict: "delivered", body: result.body };
  if (status === 429 || status >= 500) {
    return retry(`the cluster answered ${status}`, retryAfterMs(result.retryAfter));
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

function retry(message: string, afterMs = 0): DeliveryVerdict {
  return { verdict: "retry", message, retryAfterMs: afterMs };
}

function refused(status: number, message: string): DeliveryVerdict {
  return { verdict: "refused", status, message };
}

/** RFC 9110 10.2.3 in its seconds form; the date form would compare clocks of two machines and is ignored. */
export function retryAfterMs(header: string | null): number {
  if (header === null || !/^\d{1,6}$/.test(header.trim())) return 0;
  return Math.min(Number(header) * 1000, terminateRedeliveryLongestMs);
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
