import type { BackendStatus } from "../../domain/backends/status.ts";
import { backoffDelayMs } from "../../domain/deliveries/retry.ts";
import { type StatusReportBody, statusReportAnswer } from "../../protocol/v3/agent.ts";
import type { AgentClock } from "../clock.ts";
import type { Log } from "../log.ts";
import { pause } from "../timers.ts";
import type { CallResult, SlipwayClient } from "./client.ts";

export type ReportOutcome =
  /** `current` is the status that Slipway has, where its answer says so. */
  | { outcome: "acknowledged"; current?: BackendStatus }
  /** Slipway does not know the backend, so nothing more is reported of it. */
  | { outcome: "unknown" }
  /** Slipway rejects this report; a retry would not change that. */
  | { outcome: "refused" }
  /** The reporter was closed first. */
  | { outcome: "undelivered" };

export interface Reporter {
  /** Delivers a report after the earlier ones of its backend, however long that takes. Never rejects. */
  report(backendId: string, body: StatusReportBody): Promise<ReportOutcome>;
  /** Waits for what is queued, at most `withinMs`, and gives up the rest. */
  close(withinMs: number): Promise<void>;
}

type Verdict = { verdict: "final"; outcome: ReportOutcome } | { verdict: "retry"; why: string };

/** Reports statuses to Slipway: in order for each backend, each until it is acknowledged. */
export function statusReporter(options: {
  client: SlipwayClient;
  clock: AgentClock;
  /** Called right before each attempt: to look at the lease. */
  look: () => void;
  log: Log;
}): Reporter {
  const { client, clock, look, log } = options;
  const delays = { firstMs: clock.reportRetryFirstMs, longestMs: clock.reportRetryLongestMs };
  const closing = new AbortController();
  const queues = new Map<string, Promise<ReportOutcome>>();

  async function deliver(backendId: string, body: StatusReportBody): Promise<ReportOutcome> {
    for (let attempts = 1; !closing.signal.aborted; attempts++) {
      look();
      const result = await client.post(`/v3/agent/backends/${backendId}/status`, body, closing.signal);
      const judged = judgeReport(result);
      const fields = { backend_id: backendId, status: body.status, attempts };
      if (judged.verdict === "final") {
        log(`report.${judged.outcome.outcome}`, fields);
        return judged.outcome;
      }
      log("report.retry", { ...fields, why: judged.why });
      await pause(backoffDelayMs(delays, attempts, Math.random()), closing.signal);
    }
    return { outcome: "undelivered" };
  }

  return {
    report(backendId, body) {
      const before = queues.get(backendId);
      const delivery = (async (): Promise<ReportOutcome> => {
        const earlier = await before;
        return earlier?.outcome === "unknown" ? earlier : deliver(backendId, body);
      })();
      queues.set(backendId, delivery);
      void delivery.then(() => {
        if (queues.get(backendId) === delivery && body.status === "terminated") queues.delete(backendId);
      });
      return delivery;
    },

    async close(withinMs) {
      const flushed = new AbortController();
      await Promise.race([Promise.all(queues.values()), pause(withinMs, flushed.signal)]);
      flushed.abort();
      closing.abort();
      await Promise.all(queues.values());
    },
  };
}

/** Classifies the outcome of a report's delivery: final, or worth a retry. */
export function judgeReport(result: CallResult): Verdict {
  if (result.outcome === "failure") return { verdict: "retry", why: result.message };
  const { status } = result;
  if (status >= 200 && status < 300) {
    const answer = statusReportAnswer.safeParse(result.body);
    return {
      verdict: "final",
      outcome: { outcome: "acknowledged", ...(answer.success ? { current: answer.data.current } : {}) },
    };
  }
  if (status === 404) return { verdict: "final", outcome: { outcome: "unknown" } };
  if (status === 400 || status === 422) return { verdict: "final", outcome: { outcome: "refused" } };
  const hint = status === 401 || status === 403 ? "; is the agent token still good?" : "";
  return { verdict: "retry", why: `Slipway answered ${status}${hint}` };
}
