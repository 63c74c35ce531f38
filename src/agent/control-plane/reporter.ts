import type { BackendStatus, StatusEntry } from "../../domain/backends/status.ts";
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

/** A status of a backend that is to be reported. */
export interface StatusToReport {
  /** With the time on this machine's clock. */
  entry: StatusEntry;
  fencingToken: number;
  /** Where connections reach the backend. */
  url: string | null;
  /** Whether it may be held for a while, to go in one report with what follows. */
  mayWait: boolean;
}

export interface Reporter {
  /** Delivers a status after or with the earlier ones of its backend, however long that takes. Never rejects. */
  report(backendId: string, status: StatusToReport): Promise<ReportOutcome>;
  /** Delivers at once what is queued, waits for that at most `withinMs`, and gives up the rest. */
  close(withinMs: number): Promise<void>;
}

type Verdict = { verdict: "final"; outcome: ReportOutcome } | { verdict: "retry"; why: string };

interface Queued extends StatusToReport {
  /** Until when it may be held, as `performance.now` says it. */
  heldUntil: number;
  settle(outcome: ReportOutcome): void;
}

/** What is to be reported of one backend. */
interface Queue {
  /** Oldest first; those that are being sent too. */
  statuses: Queued[];
  /** Slipway does not know the backend. */
  isUnknown: boolean;
  /** Ends the present hold. */
  hurry: AbortController;
  /** Resolves once nothing is queued; null while nothing is. */
  delivery: Promise<void> | null;
}

/**
 * Reports statuses to Slipway: in order for each backend, each until it is acknowledged. What is queued of a backend goes in
 * one report, and so does what comes while it is being repeated.
 */
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
  const queues = new Map<string, Queue>();
  let isHurried = false;

  /** Resolves when something of a queue is to be sent now. */
  async function untilDue(queue: Queue): Promise<void> {
    for (;;) {
      const [oldest] = queue.statuses;
      const left = (oldest?.heldUntil ?? 0) - performance.now();
      if (isHurried || left <= 0 || queue.statuses.some(({ mayWait }) => !mayWait)) return;
      queue.hurry = new AbortController();
      await pause(left, queue.hurry.signal);
    }
  }

  /** Sends all that is queued of a backend, again and again until it is answered for good. */
  async function send(backendId: string, queue: Queue): Promise<void> {
    for (let attempts = 1; !closing.signal.aborted; attempts++) {
      look();
      const sent = [...queue.statuses];
      const body = reportOf(sent);
      if (!body) return;
      const result = await client.post(`/v3/agent/backends/${backendId}/status`, body, closing.signal);
      const judged = judgeReport(result);
      const earlier = body.earlier?.map(({ status }) => status);
      const fields = {
        backend_id: backendId,
        status: body.status,
        ...(earlier === undefined ? {} : { earlier }),
        attempts,
      };
      if (judged.verdict === "final") {
        log(`report.${judged.outcome.outcome}`, fields);
        queue.isUnknown = judged.outcome.outcome === "unknown";
        const answered = queue.isUnknown ? queue.statuses.length : sent.length;
        for (const { settle } of queue.statuses.splice(0, answered)) settle(judged.outcome);
        return;
      }
      log("report.retry", { ...fields, why: judged.why });
      await pause(backoffDelayMs(delays, attempts, Math.random()), closing.signal);
    }
    for (const { settle } of queue.statuses.splice(0)) settle({ outcome: "undelivered" });
  }

  async function deliver(backendId: string, queue: Queue): Promise<void> {
    while (queue.statuses.length > 0) {
      await untilDue(queue);
      await send(backendId, queue);
    }
    queue.delivery = null;
  }

  return {
    report(backendId, status) {
      const known = queues.get(backendId);
      const queue = known ?? { statuses: [], isUnknown: false, hurry: new AbortController(), delivery: null };
      if (status.entry.status === "terminated" && queue.isUnknown) queues.delete(backendId);
      if (queue.isUnknown) return Promise.resolve({ outcome: "unknown" });
      queues.set(backendId, queue);
      const { promise, resolve: settle } = Promise.withResolvers<ReportOutcome>();
      queue.statuses.push({ ...status, heldUntil: performance.now() + clock.reportHoldMs, settle });
      if (!status.mayWait) queue.hurry.abort();
      queue.delivery ??= deliver(backendId, queue);
      if (status.entry.status === "terminated") void promise.then(() => queues.delete(backendId));
      return promise;
    },

    async close(withinMs) {
      isHurried = true;
      if (withinMs === 0) closing.abort();
      for (const { hurry } of queues.values()) hurry.abort();
      const delivered = () => Promise.all(Array.from(queues.values(), ({ delivery }) => delivery));
      const flushed = new AbortController();
      await Promise.race([delivered(), pause(withinMs, flushed.signal)]);
      flushed.abort();
      closing.abort();
      await delivered();
    },
  };
}

/** One report of statuses, the oldest first: of the last, with how long ago the others were. Undefined of none. */
function reportOf(statuses: readonly Omit<StatusToReport, "mayWait">[]): StatusReportBody | undefined {
  const last = statuses.at(-1);
  if (!last) return undefined;
  const { time: _time, last_status: _lastStatus, ...entry } = last.entry;
  const earlier = statuses.slice(0, -1).map(({ entry: { status, time, termination_reason: reason } }) => ({
    status,
    ...(reason === undefined ? {} : { termination_reason: reason }),
    ms_ago: Math.max(0, Date.now() - time),
  }));
  return {
    ...entry,
    fencing_token: last.fencingToken,
    ...(last.url === null ? {} : { url: last.url }),
    ...(earlier.length === 0 ? {} : { earlier }),
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
