import { request } from "node:http";
import type { AgentClock } from "../clock.ts";
import type { Address } from "../runtimes/runtime.ts";
import { pause } from "../timers.ts";

/** Each pause is this much longer than the one before: a start takes at most about half as long again as it needs. */
const pauseGrowth = 1.5;

/**
 * Requests `GET /` from an address until it answers HTTP, with any status: often at first, since quick starts take
 * milliseconds, and then less and less often.
 * @returns true when it has answered, false when the signal was aborted first
 */
export async function untilAnswers(
  address: Address,
  clock: Pick<AgentClock, "readyPollFirstMs" | "readyPollEveryMs" | "readyPollTimeoutMs">,
  signal: AbortSignal,
): Promise<boolean> {
  let pauseMs = clock.readyPollFirstMs;
  while (!signal.aborted) {
    if (await answers(address, clock.readyPollTimeoutMs, signal)) return !signal.aborted;
    await pause(Math.min(pauseMs, clock.readyPollEveryMs), signal);
    pauseMs *= pauseGrowth;
  }
  return false;
}

/** Whether an address answers at the end of the time that it had for that; false where there is none yet. */
export async function answersNow(
  address: Address | null,
  { readyLastPollMs }: Pick<AgentClock, "readyLastPollMs">,
  signal: AbortSignal,
): Promise<boolean> {
  return address !== null && !signal.aborted && (await answers(address, readyLastPollMs, signal));
}

function answers({ host, port }: Address, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const attempt = request({
      host,
      port,
      path: "/",
      agent: false,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    attempt.once("response", (response) => {
      response.on("error", () => undefined);
      response.destroy();
      resolve(true);
    });
    attempt.on("error", () => resolve(false));
    attempt.end();
  });
}
