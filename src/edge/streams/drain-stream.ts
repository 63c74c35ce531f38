import { drainLooksEveryMs } from "../../domain/limits.ts";
import type { Result } from "../../domain/result.ts";
import type { Actor } from "../../objects/contract.ts";
import type { Env } from "../../objects/env.ts";
import { budgetSpent, unreached } from "../../objects/failures/unreached.ts";
import { serviceStub } from "../../objects/stubs.ts";
import { sseEvent } from "../../protocol/sse.ts";
import type { Drain } from "../../protocol/v3/drains.ts";
import { serviceChanges } from "./changes.ts";
import { type PullSource, pulledStream, type Step } from "./pulled-stream.ts";
import { ticking } from "./ticking.ts";
import { eventsWhileAdmitted, type StillAdmitted } from "./while-admitted.ts";

/** Who watches which drain. */
interface DrainCall {
  env: Env;
  actor: Actor;
  isStillAdmitted: StillAdmitted;
}

interface NamedDrain {
  account: string;
  service: string;
  drain: string;
}

/**
 * Streams a drain as server-sent events: as it is now, and whenever that has changed, until it is over, is kept no more, or its reader
 * may not see it any more. `drain_not_found` where there is none.
 */
export async function streamDrain(
  { env, actor, isStillAdmitted }: DrainCall,
  { account, service, drain }: NamedDrain,
): Promise<Response | Result<never>> {
  const look = () => serviceStub(env, account, service).getDrain(drain, actor.environments);
  const first = await look();
  if (!first.ok) return first;
  // What changes without a nudge: when it is expected to end, and what is idle.
  const changes = ticking(serviceChanges(env, account, service), drainLooksEveryMs);
  return eventsWhileAdmitted(drainEvents(first.value, changes, look), isStillAdmitted);
}

/**
 * The server-sent events of a drain, each in one chunk.
 * @param first as it is now
 * @param changes a chunk whenever it may have changed
 * @param look finds it as it is then
 */
export function drainEvents(
  first: Drain,
  changes: ReadableStream<unknown>,
  look: () => Promise<Result<Drain>>,
): ReadableStream<Uint8Array> {
  const reader = changes.getReader();
  let said: string | null = null;

  function event(drain: Drain): Step<Uint8Array> {
    const isLast = drain.state !== "draining";
    const text = sseEvent(drain);
    const items = text === said ? [] : [new TextEncoder().encode(text)];
    said = text;
    return { items, isLast };
  }

  const source: PullSource<Uint8Array> = {
    async next() {
      if (said === null) return event(first);
      const { done } = await reader.read();
      if (done) return { items: [], isLast: true };
      const drain = await unlessUnreached(look);
      return drain?.ok ? event(drain.value) : { items: [], isLast: true };
    },
    release: (reason) => reader.cancel(reason),
  };
  return pulledStream(source);
}

/** Null where the service cannot be asked now: the stream ends, and its client reconnects. */
async function unlessUnreached<T>(call: () => Promise<T>): Promise<T | null> {
  try {
    return await call();
  } catch (error) {
    if (!unreached(error) && !budgetSpent(error)) throw error;
    return null;
  }
}
