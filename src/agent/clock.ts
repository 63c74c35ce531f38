import { uptime } from "node:os";
import { heartbeatEveryMs, softTerminationGraceSeconds, webhookAttemptTimeoutMs } from "../domain/limits.ts";

/**
 * When the system begins to ask whether the other end of a silent connection is there. Ten requests follow, a second
 * apart, and then the connection is over. Nothing is asked while data is not acknowledged, which takes its own time.
 */
export const tcpKeepAliveMs = 30_000;

/** The agent's own durations, and what the lease is measured with; a backend's limits come with its spawn. */
export interface AgentClock {
  /** Milliseconds since the machine was booted, those in which it slept included (CLOCK_BOOTTIME on Linux). */
  sinceBootMs: () => number;
  heartbeatEveryMs: number;
  /**
   * Between checks whether the lease is still held: bounds how late an expiry during the machine's sleep is noticed.
   */
  leaseCheckEveryMs: number;
  /** Between a soft stop of a backend and killing it. */
  softTerminationGraceMs: number;
  /** Between two attempts to kill a backend where the runtime failed at it. */
  stopRetryMs: number;
  /** Between two attempts at what could not be written to the journal. */
  journalRetryMs: number;
  /** After the first failed pull of a spawn; each later wait is twice as long, up to the longest. */
  pullRetryFirstMs: number;
  pullRetryLongestMs: number;
  /** After the first readiness poll; each later pause is longer, up to `readyPollEveryMs`. */
  readyPollFirstMs: number;
  readyPollEveryMs: number;
  /** One readiness poll. */
  readyPollTimeoutMs: number;
  /** The poll at the end of the startup timeout, which decides. */
  readyLastPollMs: number;
  /** How long a connection waits for its backend to become ready. */
  connectionWaitMs: number;
  /** After a client of a WebSocket has been silent for so long it is pinged, and has as long again to answer. */
  clientPingEveryMs: number;
  /** How long a status is held that nobody waits for: most starts take less, and are one report then. */
  reportHoldMs: number;
  reportRetryFirstMs: number;
  reportRetryLongestMs: number;
  /** One call to Slipway. */
  callTimeoutMs: number;
  /** The shortest time between two fetches of the JWKS for the sake of an unknown key id. */
  jwksRefetchAfterMs: number;
  /** A JWKS older than this is renewed, so that withdrawn keys stop being good. */
  jwksMaxAgeMs: number;
  /** How long an ended backend is remembered, to answer a late redelivery of its spawn and to show its output. */
  endedRememberedMs: number;
  /** How long it reads the output of an ended backend, of which it keeps the last. */
  endedOutputReadMs: number;
  /** Between two looks whether the disk is so full that images are to be removed. */
  imageGcEveryMs: number;
  /** Between the soft stop of all backends and killing them, when the agent itself closes. */
  closeGraceMs: number;
  /** How long a closing agent goes on delivering reports. */
  closeFlushMs: number;
}

export const agentClock: AgentClock = {
  sinceBootMs: () => uptime() * 1000,
  heartbeatEveryMs,
  leaseCheckEveryMs: 1_000,
  softTerminationGraceMs: softTerminationGraceSeconds * 1000,
  stopRetryMs: 1_000,
  journalRetryMs: 2_000,
  pullRetryFirstMs: 1_000,
  pullRetryLongestMs: 15_000,
  readyPollFirstMs: 2,
  readyPollEveryMs: 50,
  readyPollTimeoutMs: 10_000,
  readyLastPollMs: 1_000,
  connectionWaitMs: 10_000,
  clientPingEveryMs: 30_000,
  reportHoldMs: 1_000,
  reportRetryFirstMs: 500,
  reportRetryLongestMs: 15_000,
  callTimeoutMs: webhookAttemptTimeoutMs,
  jwksRefetchAfterMs: 5_000,
  jwksMaxAgeMs: 10 * 60_000,
  endedRememberedMs: 10 * 60_000,
  endedOutputReadMs: 5_000,
  imageGcEveryMs: 60_000,
  closeGraceMs: softTerminationGraceSeconds * 1000,
  closeFlushMs: 5_000,
};
