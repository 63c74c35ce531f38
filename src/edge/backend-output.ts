import type { Result } from "../domain/result.ts";
import type { Actor, BackendInfo } from "../objects/contract.ts";
import type { Env } from "../objects/env.ts";
import { accountStub } from "../objects/stubs.ts";
import { usageSample } from "../protocol/backend-metrics.ts";
import { sseEvent, sseHeaders } from "../protocol/sse.ts";
import { dataLines } from "../protocol/sse-lines.ts";
import { describeBackendTo } from "./backend-views.ts";
import { openClusterStream } from "./cluster-stream.ts";
import { withKeepAlive } from "./keep-alive.ts";
import type { BackendPlace } from "./locate-backend.ts";

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
  const path = `/backends/${info.id}/${kind}`;
  const signed = await accountStub(env, info.account).signedGet(info.cluster, path);
  if (!signed.ok) return signed;
  const asked = { cluster: info.cluster, what: `${kind} of backend \`${info.id}\`` };
  const opened = await openClusterStream(asked, signed.value);
  if (!opened.ok) return opened;
  const retell = kind === "logs" ? (line: string) => line : metricsOf(info);
  return new Response(withKeepAlive(retoldEvents(opened.value, retell)), { headers: sseHeaders });
}

/** A sample by its schema, with where it comes from; what is none is left out. */
export function metricsOf({ id, cluster }: Pick<BackendInfo, "id" | "cluster">): Retell {
  return (line) => {
    const sample = usageSample.safeParse(parseJson(line));
    return sample.success ? JSON.stringify({ cluster, backend_id: id, ...sample.data }) : null;
  };
}

/**
 * A cluster's events, framed anew, one a chunk. A client that does not read holds the cluster back: no more than one
 * chunk of its answer is read ahead. An answer that breaks off ends the stream, as one that ends does.
 */
export function retoldEvents(answer: Response, retell: Retell): ReadableStream<Uint8Array> {
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  const lines = dataLines(lineMaxCharacters);
  let pending: string[] = [];

  /** The events of the next chunk, or null at the end. */
  async function nextEvents(): Promise<string[] | null> {
    const chunk = await reader?.read().catch(() => undefined);
    if (!chunk || chunk.done) return null;
    return lines
      .push(decoder.decode(chunk.value, { stream: true }))
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
      async cancel(reason) {
        await reader?.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
