import {
  attemptsFlushedWithinMs,
  deliveryAttemptsKept,
  deliveryAttemptsKeptMs,
  deliveryErrorMaxCharacters,
  pinnedBackoff,
  retryJitter,
  spawnRetryDelaysMs,
  terminationBackoff,
  webhookAttemptTimeoutMs,
} from "../limits.ts";
import { type AttemptResult, type DeliveryType, isNotThere, judgeAttempt } from "./delivery.ts";

/** One attempt to deliver a webhook, as the log of its cluster keeps it. */
export interface DeliveryAttempt {
  /** The webhook's id: the same for every attempt of one delivery. */
  id: string;
  type: DeliveryType;
  environment?: string;
  backendId?: string;
  /** 1 for the first. */
  attempt: number;
  /** When the attempt began, in milliseconds since the epoch. */
  time: number;
  durationMs: number;
  /** Null where no answer came. */
  status: number | null;
  /** Null where it was delivered. */
  error: string | null;
}

/** An attempt with the service that made it; null for what the account sends itself. */
export type ServiceAttempt = DeliveryAttempt & { service: string | null };

/** How a delivery stands. */
export const deliveryOutcomes = [
  /** An attempt was acknowledged, whatever came after it. */
  "delivered",
  /** The last attempt failed; another one comes. */
  "retrying",
  /** The cluster has said no, and is not sent it again. */
  "refused",
  /** The last attempt failed, and none comes any more. */
  "given_up",
] as const;
/** How a delivery stands, by its attempts. */
export type DeliveryOutcome = (typeof deliveryOutcomes)[number];

/** All attempts of one webhook that are kept, oldest first and never empty. */
export interface Delivery<Attempt extends ServiceAttempt = ServiceAttempt> {
  id: string;
  first: Attempt;
  last: Attempt;
  attempts: Attempt[];
  outcome: DeliveryOutcome;
}

/** What the log keeps of an attempt's result. A termination of a backend that is unknown there counts as delivered. */
export function recordedResult(
  type: DeliveryType,
  result: AttemptResult,
): Pick<DeliveryAttempt, "status" | "error"> {
  const verdict = judgeAttempt(result, type);
  const status = result.outcome === "response" ? result.status : null;
  if (verdict.verdict === "delivered" || isNotThere(type, verdict)) return { status, error: null };
  return { status, error: [...verdict.message].slice(0, deliveryErrorMaxCharacters).join("") };
}

/**
 * Puts the attempts of each delivery together. What is past its keeping is left out, and what was recorded twice counts
 * once.
 * @param attempts in any order
 * @param now milliseconds since the epoch
 * @returns deliveries newest first by their first attempt, each with its attempts oldest first
 */
export function groupedDeliveries<Attempt extends ServiceAttempt>(
  attempts: readonly Attempt[],
  now: number,
): Delivery<Attempt>[] {
  const kept = once(attempts)
    .filter(({ time }) => time > now - deliveryAttemptsKeptMs)
    .sort((a, b) => b.time - a.time || b.attempt - a.attempt)
    .slice(0, deliveryAttemptsKept)
    .reverse();
  const groups = new Map<string, Attempt[]>();
  for (const attempt of kept) {
    const group = groups.get(attempt.id);
    if (group) group.push(attempt);
    else groups.set(attempt.id, [attempt]);
  }
  return [...groups]
    .flatMap(([id, group]) => {
      const [first] = group;
      const last = group.at(-1);
      return first && last
        ? [{ id, first, last, attempts: group, outcome: outcomeOf(group, last, now) }]
        : [];
    })
    .sort(newerFirst);
}

function once<Attempt extends DeliveryAttempt>(attempts: readonly Attempt[]): Attempt[] {
  return [...new Map(attempts.map((one) => [`${one.id} ${one.attempt} ${one.time}`, one])).values()];
}

/** By how much the next attempt of a delivery may follow the end of the last, and be recorded. */
const nextAttemptWithinMs =
  Math.max(...spawnRetryDelaysMs, terminationBackoff.longestMs, pinnedBackoff.longestMs) * (1 + retryJitter) +
  webhookAttemptTimeoutMs +
  2 * attemptsFlushedWithinMs;

function outcomeOf(
  attempts: readonly DeliveryAttempt[],
  last: DeliveryAttempt,
  now: number,
): DeliveryOutcome {
  if (attempts.some(({ error }) => error === null)) return "delivered";
  // A cluster that refuses to end a backend is sent it again: only its 404 says that there is nothing left to end.
  if (last.type !== "backend.terminate" && isRefusal(last)) return "refused";
  if (last.type === "cluster.ping") return "given_up";
  if (last.type === "backend.spawn" && last.attempt > spawnRetryDelaysMs.length) return "given_up";
  return now < last.time + last.durationMs + nextAttemptWithinMs ? "retrying" : "given_up";
}

function isRefusal({ type, status }: Pick<DeliveryAttempt, "type" | "status">): boolean {
  if (status === null) return false;
  const nothing = { date: null, retryAfter: null, location: null, body: "" };
  return judgeAttempt({ outcome: "response", status, ...nothing }, type).verdict === "refused";
}

type Place = Pick<Delivery, "id"> & { first: Pick<DeliveryAttempt, "time"> };

function newerFirst(a: Place, b: Place): number {
  return b.first.time - a.first.time || (a.id < b.id ? 1 : -1);
}

/** Where a list goes on after a delivery: the time of its first attempt in milliseconds, and its id. */
export function deliveryCursor({ id, first }: Place): string {
  return `${first.time}-${id}`;
}

/**
 * Reads what `deliveryCursor` made.
 * @param leadsBack looks before it instead
 * @returns whether a delivery comes after it in a list; null for a text that is no cursor
 */
export function afterDeliveryCursor(
  cursor: string,
  leadsBack = false,
): ((delivery: Place) => boolean) | null {
  const [, time, id] = /^(\d{1,15})-(\w[\w-]{0,99})$/.exec(cursor) ?? [];
  if (time === undefined || id === undefined) return null;
  const place: Place = { id, first: { time: Number(time) } };
  return (delivery) => delivery.id !== id && newerFirst(place, delivery) < 0 !== leadsBack;
}

/** Attempts that were recorded together, in one row. */
export interface AttemptBatch {
  seq: number;
  /** When it was recorded, in milliseconds since the epoch. */
  at: number;
  /** How many it holds. */
  attempts: number;
}

/** So many batches are dropped at a time, that no single write is long. */
const batchesDroppedAtOnce = 100;

/**
 * The `seq` of the batches of which nothing is shown any more, as many as may be dropped at once.
 * @param batches newest first
 * @param now milliseconds since the epoch
 */
export function batchesToDrop(batches: readonly AttemptBatch[], now: number): number[] {
  const dropped: number[] = [];
  let newer = 0;
  for (const { seq, at, attempts } of batches) {
    if (newer >= deliveryAttemptsKept || at <= now - deliveryAttemptsKeptMs) dropped.push(seq);
    newer += attempts;
  }
  return dropped.slice(-batchesDroppedAtOnce);
}
