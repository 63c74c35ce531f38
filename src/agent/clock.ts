import { heartbeatEveryMs, softTerminationGraceSeconds, webhookAttemptTimeoutMs } from "../domain/limits.ts";

/** Every duration that the agent waits for by its own choice; what a spawn limits comes with the spawn. */
export interface AgentClock {
  heartbeatEveryMs: number;
  /** Between asking a backend to end and killing it. */
  softTerminationGraceMs: number;
  readyPollEveryMs: number;
  /** One attempt to see whether a backend answers. */
  readyPollTimeoutMs: number;
  /** How long a connection waits for its backend to become ready. */
  connectionWaitMs: number;
  reportRetryFirstMs: number;
  reportRetryLongestMs: number;
  /** One call to Slipway. */
  callTimeoutMs: number;
  /** The shortest time between two fetches of the JWKS for the sake of an unknown key id. */
  jwksRefetchAfterMs: number;
  /** A JWKS older than this is renewed, so that withdrawn keys stop being good. */
  jwksMaxAgeMs: number;
  /** How long an ended backend's id is kept, to answer a late redelivery of its spawn. */
  endedRememberedMs: number;
  /** Between SIGTERM and SIGKILL when the agent itself closes. */
  closeGraceMs: number;
  /** How long a closing agent goes on delivering reports. */
  closeFlushMs: number;
}

export const agentClock: AgentClock = {
  heartbeatEveryMs,
  softTerminationGraceMs: softTerminationGraceSeconds * 1000,
  readyPollEveryMs: 50,
  readyPollTimeoutMs: 10_000,
  connectionWaitMs: 10_000,
  reportRetryFirstMs: 500,
  reportRetryLongestMs: 15_000,
  callTimeoutMs: webhookAttemptTimeoutMs,
  jwksRefetchAfterMs: 5_000,
  jwksMaxAgeMs: 10 * 60_000,
  endedRememberedMs: 10 * 60_000,
  closeGraceMs: 5_000,
  closeFlushMs: 5_000,
};
