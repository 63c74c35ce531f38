import type { GateAnswer } from "../protocol/v3/deploys.ts";

interface Failed {
  message: string;
  /** The API's error code and request id, where an answer carried them. */
  code?: string;
  requestId?: string;
}

/** Why a command failed, for the person at the terminal. */
export type CommandFailure =
  /** `usage`: the command line or its configuration is wrong. `request`: Slipway refused it or was not reached. */
  | (Failed & { kind: "usage" | "request" })
  /** Slipway refused it for gates only, each of which is met or may be by itself. */
  | (Failed & { kind: "not_yet"; gates: readonly GateAnswer[] });

/** A command's value, or why there is none. */
export type Outcome<T> = { ok: true; value: T } | { ok: false; failure: CommandFailure };

export function done<T>(value: T): { ok: true; value: T } {
  return { ok: true, value };
}

export function usageFailure(message: string): { ok: false; failure: CommandFailure } {
  return { ok: false, failure: { kind: "usage", message } };
}

export function requestFailure(
  message: string,
  extra: Pick<CommandFailure, "code" | "requestId"> = {},
): { ok: false; failure: CommandFailure } {
  return { ok: false, failure: { kind: "request", message, ...extra } };
}

/** The exit code of each kind of failure; 0 is success. */
export const exitCodes: Readonly<Record<CommandFailure["kind"], number>> = {
  usage: 2,
  request: 1,
  not_yet: 3,
};
