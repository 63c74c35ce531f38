import { touchedAfterIdleShare } from "../limits.ts";
import { type AttemptResult, isJson, retriedRefusals } from "./delivery.ts";

/** A backend that is about to be handed out. Times in milliseconds since the epoch. */
export interface HandedOut {
  /** 0: it is never swept for being idle. */
  maxIdleSeconds: number;
  /** The latest time of which it is certain that its agent has counted no idle time before it. */
  activeAt: number;
}

/**
 * Whether a ready backend must be touched before it is handed out, since its cluster may sweep it before its client has come. What
 * was certainly active in the first part of its idle time needs no touch: the rest of that time is left to the client.
 * @param now milliseconds since the epoch
 * @example mustBeTouched({ maxIdleSeconds: 300, activeAt: now - 200_000 }, now) // true
 */
export function mustBeTouched({ maxIdleSeconds, activeAt }: HandedOut, now: number): boolean {
  return maxIdleSeconds > 0 && now - activeAt > maxIdleSeconds * 1000 * touchedAfterIdleShare;
}

/** What a touch has shown. */
export type TouchOutcome =
  /** Its idle time has begun anew. */
  | "alive"
  /** Its end has begun, or it is not there any more: whoever wants its key waits for that. */
  | "ending"
  /** Its cluster does not know touches. */
  | "not_supported"
  /** Nothing: no answer in time, or one that says nothing of the backend. */
  | "unknown";

/**
 * Judges the answer to a touch. The rule is in src/protocol/README.md, "Cluster webhooks".
 * @param isListed whether an agent of the cluster lists the backend: then 404 is another agent's answer
 */
export function judgeTouch(result: AttemptResult, isListed: boolean): TouchOutcome {
  if (result.outcome !== "response") return "unknown";
  const { status, body } = result;
  if (status >= 200 && status < 300) return "alive";
  if (status === 404 || status === 410) {
    return isJson(body) && !(status === 404 && isListed) ? "ending" : "unknown";
  }
  if (status === 501) return "not_supported";
  const mayPass = status === 429 || status >= 500 || retriedRefusals.has(status);
  return mayPass ? "unknown" : "not_supported";
}
