import { backendIdPattern } from "../../domain/ids.ts";
import type { UsageSample } from "../../protocol/backend-metrics.ts";
import { sseEvent, sseLineEvents } from "../../protocol/sse.ts";
import { isSignedGetOf } from "../../protocol/webhooks/signature.ts";
import type { Log } from "../log.ts";
import type { Usage } from "../runtimes/runtime.ts";
import type { WebhookAnswer } from "./webhook.ts";
import type { Verification } from "./webhook-verification.ts";

/** Each stream is one follower; more than this indicates a client that leaks streams. */
const streamsAtMostByDefault = 200;

export interface OutputOptions {
  verify: (body: Buffer, headers: Record<string, string>) => Verification;
  backends: {
    logs(backendId: string, signal: AbortSignal): AsyncIterable<string> | null;
    stats(backendId: string, signal: AbortSignal): AsyncIterable<Usage> | null;
  };
  log: Log;
  streamsAtMost?: number;
}

export interface OutputRequest {
  backendId: string;
  kind: "logs" | "metrics";
}

/** The chunks to send. */
interface OutputStream {
  events: AsyncIterable<string>;
}

/** Answers a request for output. `left` is aborted when the client has left, and at the latest after the answer. */
export type OutputEndpoints = (
  requested: OutputRequest,
  headers: Record<string, string>,
  left: AbortSignal,
) => WebhookAnswer | OutputStream;

/** Reads `/webhook/backends/<id>/logs` and `/metrics`; null for any other path. */
export function parseOutputPath(path: string): OutputRequest | null {
  const [, backendId, kind] = /^\/webhook\/backends\/([^/]+)\/(logs|metrics)$/.exec(path) ?? [];
  if (backendId === undefined || (kind !== "logs" && kind !== "metrics")) return null;
  return { backendId, kind };
}

/** Serves the output and the usage of backends to requests that are signed (src/protocol/README.md, "Output streams"). */
export function outputEndpoints(options: OutputOptions): OutputEndpoints {
  const { verify, backends, log, streamsAtMost = streamsAtMostByDefault } = options;
  let open = 0;

  function eventsOf({ backendId, kind }: OutputRequest, left: AbortSignal): AsyncIterable<string> | null {
    if (!backendIdPattern.test(backendId)) return null;
    if (kind === "logs") {
      const lines = backends.logs(backendId, left);
      return lines && mapped(lines, sseLineEvents);
    }
    const samples = backends.stats(backendId, left);
    return samples && mapped(samples, (usage) => sseEvent(usageSampleOf(usage)));
  }

  return (requested, headers, left) => {
    const verified = verify(Buffer.alloc(0), headers);
    if (!verified.ok) return refusal(401, `the request's signature is not good: ${verified.reason}`);
    const path = `/backends/${requested.backendId}/${requested.kind}`;
    if (!isSignedGetOf(path, headers["webhook-id"] ?? "")) {
      return refusal(401, "the request's signature is that of another request");
    }
    if (open >= streamsAtMost) {
      const refused = refusal(503, `this agent serves ${streamsAtMost} streams already`);
      return { ...refused, headers: { "retry-after": "5" } };
    }
    const events = eventsOf(requested, left);
    if (!events) return refusal(404, `backend \`${requested.backendId}\` is not known here`);
    log("output.asked", { backend_id: requested.backendId, kind: requested.kind });
    open++;
    left.addEventListener("abort", () => open--, { once: true });
    return { events };
  };
}

function usageSampleOf(usage: Usage): UsageSample {
  return {
    mem_used: usage.memoryUsedBytes,
    mem_available: usage.memoryAvailableBytes,
    cpu_used: usage.cpuUsed,
    sys_cpu: usage.systemCpu,
  };
}

async function* mapped<T, U>(items: AsyncIterable<T>, map: (item: T) => U): AsyncGenerator<U> {
  for await (const item of items) yield map(item);
}

function refusal(status: number, message: string): WebhookAnswer {
  return { status, body: { error: { message } } };
}
