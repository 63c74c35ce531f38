import type { Result } from "../../domain/result.ts";
import type { Actor, BackendInfo } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub } from "../../objects/stubs.ts";
import { type UsageSample, usageSample } from "../../protocol/backend-metrics.ts";
import { sseEvent } from "../../protocol/sse.ts";
import { dataLines } from "../../protocol/sse-lines.ts";
import type { BackendLocation } from "../locate-backend.ts";
import { describeBackendTo } from "../views/backend-views.ts";
import { openClusterStream } from "./cluster-stream.ts";
import { pulledStream } from "./pulled-stream.ts";
import { eventsWhileAdmitted, type StillAdmitted } from "./while-admitted.ts";

/** A longer line of a cluster's stream is split. Agents already split lines of output at half of it. */
const lineMaxCharacters = 16 * 1024;

type OutputKind = "logs" | "metrics";

/** Renders an event of a cluster for the API's client; null for one that is not passed on. */
type EventRenderer = (line: string) => string | null;

/** Who wants to see which backend's output. */
interface OutputCall {
  env: Env;
  actor: Actor;
  backend: BackendLocation;
  isStillAdmitted: StillAdmitted;
}

/**
 * Streams the logs or the metrics of a backend from its cluster until the cluster ends them, the client leaves, or may
 * not see them any more. Nothing is kept here. Also for a backend that has ended: its cluster may still have its output.
 */
export async function streamOutput(
  { env, actor, backend, isStillAdmitted }: OutputCall,
  kind: OutputKind,
): Promise<Response | Result<never>> {
  const described = await describeBackendTo(actor, env, backend);
  if (!described.ok) return described;
  const { info } = described.value;
  const opened = await openOutput(env, info, kind);
  if (!opened.ok) return opened;
  const render = kind === "logs" ? (line: string) => line : metricsOf(info);
  return eventsWhileAdmitted(reframedEvents(opened.value, render), isStillAdmitted);
}

/** Requests a backend's logs or metrics from its cluster. Fails as `openClusterStream` does, or without the cluster. */
export async function openOutput(
  env: Env,
  { id, account, cluster }: Pick<BackendInfo, "id" | "account" | "cluster">,
  kind: OutputKind,
): Promise<Result<Response>> {
  const signed = await accountStub(env, account).signedGet(cluster, `/backends/${id}/${kind}`);
  if (!signed.ok) return signed;
  return openClusterStream({ cluster, what: `${kind} of backend \`${id}\`` }, signed.value);
}

/** Adds the cluster and the backend to a sample; an event that does not match the schema is left out. */
export function metricsOf({ id, cluster }: Pick<BackendInfo, "id" | "cluster">): EventRenderer {
  return (line) => {
    const sample = readUsage(line);
    return sample && JSON.stringify({ cluster, backend_id: id, ...sample });
  };
}

/** Null where the line does not match the schema of a sample. */
export function readUsage(line: string): UsageSample | null {
  const sample = usageSample.safeParse(parseJson(line));
  return sample.success ? sample.data : null;
}

/**
 * A cluster's events, reframed to one event per chunk. Backpressure reaches the cluster: no more than one chunk of its
 * answer is read ahead. An answer that breaks off ends the stream, as one that ends does.
 */
export function reframedEvents(answer: Response, render: EventRenderer): ReadableStream<Uint8Array> {
  const lines = outputLines(answer);
  const encoder = new TextEncoder();
  let pending: string[] = [];
  return pulledStream({
    async next() {
      if (pending.length === 0) {
        const chunk = await lines.next();
        if (chunk === null) return { items: [], isLast: true };
        pending = chunk
          .flatMap((line) => render(line) ?? [])
          .map(sseEvent)
          .reverse();
      }
      const event = pending.pop();
      return { items: event === undefined ? [] : [encoder.encode(event)] };
    },
    release: lines.cancel,
  });
}

/** The lines of a cluster's stream, all that one chunk completes at a time. */
export interface OutputLines {
  /** Null at the end, and where the answer breaks off. */
  next(): Promise<string[] | null>;
  cancel(reason?: unknown): Promise<void>;
}

/** Reads the lines of a cluster's answer, no more than one chunk ahead. */
export function outputLines(answer: Response): OutputLines {
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  const lines = dataLines(lineMaxCharacters);
  return {
    async next() {
      const chunk = await reader?.read().catch(() => undefined);
      if (!chunk || chunk.done) return null;
      return lines.push(decoder.decode(chunk.value, { stream: true }));
    },
    cancel: async (reason) => reader?.cancel(reason),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
