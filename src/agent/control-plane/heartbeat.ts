import {
  type HeartbeatAnswer,
  type HeartbeatBody,
  heartbeatAnswer,
  type ListedBackend,
} from "../../protocol/v3/agent.ts";
import type { Log } from "../log.ts";
import { pause } from "../timers.ts";
import type { SlipwayClient } from "./client.ts";
import { ListSender } from "./list-sender.ts";

export interface Heartbeat {
  /** Sends an extra one at once, also while another is in flight. Resolves when it is answered or given up. */
  beatNow(): Promise<void>;
  /** Resolves when no heartbeat is in flight. */
  stop(): Promise<void>;
}

export interface HeartbeatOptions {
  client: SlipwayClient;
  everyMs: number;
  /** What it says beside the list of what the agent runs. */
  body: () => Omit<HeartbeatBody, "backends" | "changes" | "list_digest">;
  /** Everything that the agent runs. */
  list: () => ListedBackend[];
  /** Milliseconds on the clock that the lease is measured with. */
  now: () => number;
  /** Called with every acknowledgement: any other answer, and none, is only logged. @param sentAtMs of the heartbeat */
  onAnswer: (answer: HeartbeatAnswer, sentAtMs: number) => void;
  log: Log;
}

/** Sends heartbeats, the first one at once. */
export function startHeartbeat(options: HeartbeatOptions): Heartbeat {
  const { client, everyMs, log } = options;
  const stopping = new AbortController();
  const extra = new Set<Promise<void>>();
  const lists = new ListSender();

  async function beat(): Promise<void> {
    // Taken before anything is sent: the lease must not begin later than the heartbeat can have been received.
    const sentAtMs = options.now();
    const body = options.body();
    const { body: said, sent } = lists.next(options.list(), sentAtMs);
    const result = await client.post("/v3/agent/heartbeat", { ...body, ...said }, stopping.signal);
    if (stopping.signal.aborted) return;
    if (result.outcome === "failure") return log("heartbeat.failed", { why: result.message });
    const answer = heartbeatAnswer.safeParse(result.body);
    if (result.status !== 200 || !answer.success) {
      const isWholeNext = lists.refused(sent);
      log("heartbeat.refused", { status: result.status });
      // What is wrong on the other side is not mended by more of it at once.
      if (isWholeNext && result.status < 500) await beat();
      return;
    }
    lists.answered(sent, answer.data.list_digest);
    options.onAnswer(answer.data, sentAtMs);
  }

  async function keepBeating(): Promise<void> {
    while (!stopping.signal.aborted) {
      const sentAt = performance.now();
      await beat();
      await pause(Math.max(0, everyMs - (performance.now() - sentAt)), stopping.signal);
    }
  }

  const beating = keepBeating();
  return {
    beatNow() {
      const sent = beat().finally(() => extra.delete(sent));
      extra.add(sent);
      return sent;
    },
    async stop() {
      stopping.abort();
      await Promise.all([beating, ...extra]);
    },
  };
}
