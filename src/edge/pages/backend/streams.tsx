import type { Failure } from "../../../domain/result.ts";
import type { BackendRecord } from "../../../objects/contract.ts";
import type { Env } from "../../../objects/env.ts";
import type { BackendLocation } from "../../locate-backend.ts";
import { sentenceOf } from "../../sentence.ts";
import { openOutput, outputLines } from "../../streams/backend-output.ts";
import { currentStatus, describeBackendTo } from "../../views/backend-views.ts";
import type { Visitor } from "../frame/page-call.ts";
import { defineStream } from "../frame/page-stream.ts";
import { linesShown, logRenderer, NoLog } from "./log.tsx";
import { logTextAnswer } from "./log-text.ts";
import { outputBatches } from "./output-batches.ts";
import { noOutputAnswer, outputAnswer } from "./output-stream.ts";
import { NoUsage, usageRenderer } from "./usage.tsx";

const retryAfterMs = 10_000;
/** A batch has more samples only from a cluster that sends them faster than they are measured. */
const samplesAtOnce = 60;

/** The newest output of a backend, for its page. */
const liveLog = defineStream({
  path: "/backend/:id/live/log",
  action: "read",
  async answer(call, isAdmitted) {
    const described = await describe(call);
    if (!described.ok) return described;
    const { info } = described.value;
    const hasEnded = ended(described.value);
    const opened = await openOutput(call.env, info, "logs");
    if (!opened.ok) {
      const { why, retryMs } = whyNothing(opened.error, hasEnded);
      return noOutputAnswer(<NoLog why={why} />, retryMs);
    }
    const batches = outputBatches(outputLines(opened.value), linesShown);
    return outputAnswer(batches, logRenderer({ info, hasEnded }), isAdmitted);
  },
});

/** A backend's usage, for its page. */
const liveUsage = defineStream({
  path: "/backend/:id/live/usage",
  action: "read",
  async answer(call, isAdmitted) {
    const described = await describe(call);
    if (!described.ok) return described;
    if (ended(described.value)) {
      return noOutputAnswer(<NoUsage why="The backend has ended: it uses nothing any more." />, null);
    }
    const opened = await openOutput(call.env, described.value.info, "metrics");
    if (!opened.ok) {
      const { why, retryMs } = whyNothing(opened.error, false);
      return noOutputAnswer(<NoUsage why={why} />, retryMs);
    }
    const batches = outputBatches(outputLines(opened.value), samplesAtOnce);
    return outputAnswer(batches, usageRenderer(), isAdmitted);
  },
});

/** The whole output of a backend as plain text. */
const logText = defineStream({
  path: "/backend/:id/log.txt",
  action: "read",
  async answer(call, isAdmitted) {
    const described = await describe(call);
    if (!described.ok) return described;
    const opened = await openOutput(call.env, described.value.info, "logs");
    return opened.ok ? logTextAnswer(outputLines(opened.value), isAdmitted) : opened;
  },
});

/** The streams of a backend's page. */
export const backendStreams = [liveLog, liveUsage, logText];

function describe({ env, backend, visitor }: { env: Env; backend: BackendLocation; visitor: Visitor }) {
  return describeBackendTo(visitor.actor, env, backend);
}

function ended(record: BackendRecord): boolean {
  return currentStatus(record).status === "terminated";
}

/** A cluster's failure as a sentence, and when to reconnect: never where there will be no more output. */
function whyNothing({ code, message }: Failure, hasEnded: boolean): { why: string; retryMs: number | null } {
  if (code === "cluster_not_found" || (hasEnded && code === "not_found")) {
    return { why: `Nothing is left of it: ${message}.`, retryMs: null };
  }
  return {
    why: `${sentenceOf(message)} This page asks again every ${retryAfterMs / 1000} s.`,
    retryMs: retryAfterMs,
  };
}
