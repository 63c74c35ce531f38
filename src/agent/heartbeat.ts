import { type HeartbeatBody, heartbeatAnswer } from "../protocol/v3/agent.ts";
import type { Log } from "./log.ts";
import type { SlipwayClient } from "./slipway-client.ts";
import { pause } from "./timers.ts";

/**
 * Sends heartbeats, the first one at once, and passes on what Slipway wants ended.
 * @returns what stops it, resolving when no heartbeat is under way any more
 */
export function startHeartbeat(options: {
  client: SlipwayClient;
  everyMs: number;
  body: () => HeartbeatBody;
  onTerminate: (backendIds: string[]) => void;
  log: Log;
}): () => Promise<void> {
  const { client, everyMs, log } = options;
  const stopping = new AbortController();

  async function beat(): Promise<void> {
    const result = await client.post("/v3/agent/heartbeat", options.body(), stopping.signal);
    if (stopping.signal.aborted) return;
    if (result.met === "failure") return log("heartbeat.failed", { why: result.message });
    const answer = heartbeatAnswer.safeParse(result.body);
    if (result.status !== 200 || !answer.success) return log("heartbeat.refused", { status: result.status });
    if (answer.data.terminate.length > 0) {
      log("heartbeat.terminate", { backends: answer.data.terminate, unknown: answer.data.unknown });
      options.onTerminate(answer.data.terminate);
    }
  }

  async function keepBeating(): Promise<void> {
    while (!stopping.signal.aborted) {
      const sentAt = performance.now();
      await beat();
      await pause(Math.max(0, everyMs - (performance.now() - sentAt)), stopping.signal);
    }
  }

  const beating = keepBeating();
  return async () => {
    stopping.abort();
    await beating;
  };
}
