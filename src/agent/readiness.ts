import { request } from "node:http";
import { pause } from "./timers.ts";

/**
 * Asks `GET /` of a port of 127.0.0.1 until it answers HTTP, with whatever status.
 * @returns true when it has answered, false when the signal was aborted first
 */
export async function untilAnswers(
  port: number,
  clock: { readyPollEveryMs: number; readyPollTimeoutMs: number },
  signal: AbortSignal,
): Promise<boolean> {
  while (!signal.aborted) {
    if (await answers(port, clock.readyPollTimeoutMs, signal)) return !signal.aborted;
    await pause(clock.readyPollEveryMs, signal);
  }
  return false;
}

function answers(port: number, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const attempt = request({
      host: "127.0.0.1",
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
