import type { Result } from "../../domain/result.ts";
import type { Actor, BackendInfo } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub } from "../../objects/stubs.ts";
import { type UsageSample, usageSample } from "../../protocol/backend-metrics.ts";
import { sseEvent, sseHeaders } from "../../protocol/sse.ts";
import { dataLines } from "../../protocol/sse-lines.ts";
import type { BackendPlace } from "../locate-backend.ts";
import { describeBackendTo } from "../views/backend-views.ts";
import { openClusterStream } from "./cluster-stream.ts";
import { withKeepAlive } from "./keep-alive.ts";

/** A longer line of a cluster's stream is given in pieces. Agents cut lines of output at half of it. */
const lineMaxCharacters = 16 * 1024;

type OutputKind = "logs" | "metrics";

/** What an event becomes for the API's client; null where it is not fit to be told. */
type Retell = (line: string) => string | null;

/**
 * Streams the logs or the metrics of a backend from its cluster until the cluster ends them or the client leaves.
 * Nothing is kept here. A backend that has ended is asked for as well: its cluster may still have its output.
 */
export async function streamOutput(
  env: Env,
  actor: Actor,
  backend: BackendPlace,
  kind: OutputKind,
): Promise<Response | Result<never>> {
  const described = await describeBackendTo(actor, env, backend);
  if (!described.ok) return described;
  const { info } = described.value;
  const opened = await openOutput(env, info, kind);
  if (!opened.ok) return opened;
  const retell = kind === "logs" ? (line: string) => line : metricsOf(info);
  return new Response(withKeepAlive(retoldEvents(opened.value, retell)), { headers: sseHeaders });
}

/** Asks a backend's cluster for its logs or metrics. Fails as `openClusterStream` does, or as the cluster is gone. */
export async function openOutput(
  env: Env,
  { id, account, cluster }: Pick<BackendInfo, "id" | "account" | "cluster">,
  kind: OutputKind,
): Promise<Result<Response>> {
  const signed = await accountStub(env, account).signedGet(cluster, `/backends/${id}/${kind}`);
  if (!signed.ok) return signed;
  return openClusterStream({ cluster, what: `${kind} of backend \`${id}\`` }, signed.value);
}

/** A sample by its schema, with where it comes from; what is none is left out. */
export function metricsOf({ id, cluster }: Pick<BackendInfo, "id" | "cluster">): Retell {
  return (line) => {
    const sample = readUsage(line);
    return sample && JSON.stringify({ cluster, backend_id: id, ...sample });
  };
}

/** A sample by its schema, or null. */
export function readUsage(line: string): UsageSample | null {
  const sample = usageSample.safeParse(parseJson(line));
  return sample.success ? sample.data : null;
}

/**
 * A cluster's events, framed anew, one a chunk. A client that does not read holds the cluster back: no more than one
 * chunk of its answer is read ahead. An answer that breaks off ends the stream, as one that ends does.
 */
export function retoldEvents(answer: Response, retell: Retell): ReadableStream<Uint8Array> {
  const lines = outputLines(answer);
  const encoder = new TextEncoder();
  let pending: string[] = [];

  /** The events of the next chunk, or null at the end. */
  async function nextEvents(): Promise<string[] | null> {
    const chunk = await lines.next();
    if (chunk === null) return null;
    return chunk
      .flatMap((line) => retell(line) ?? [])
      .map(sseEvent)
      .reverse();
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        while (pending.length === 0) {
          const events = await nextEvents();
          if (events === null) return controller.close();
          pending = events;
        }
        controller.enqueue(encoder.encode(pending.pop()));
      },
      cancel: lines.cancel,
    },
    { highWaterMark: 0 },
  );
}

/** The lines of a cluster's stream, as many at a time as come with a chunk of it. */
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
