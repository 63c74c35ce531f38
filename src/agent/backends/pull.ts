import { backoffMs } from "../../domain/deliveries/retry.ts";
import { type Failure, fail, type Result } from "../../domain/result.ts";
import type { AgentClock } from "../clock.ts";
import { messageOf } from "../log.ts";
import type { Runtime, RuntimeImage } from "../runtimes/runtime.ts";
import { pause } from "../timers.ts";

/**
 * Whether a pull may succeed later although it failed now. `unavailable` is what runtimes answer where a registry could
 * not be reached, failed or broke off; that an image is not there, is not ours to have or is not usable stays so.
 */
export function isTransient({ code }: Failure): boolean {
  return code === "unavailable";
}

/**
 * Pulls an image, again and again while what fails is transient, until the signal is aborted. Never rejects.
 * @param onRetry told of each failure after which another attempt follows
 * @returns the last failure where the signal came first
 */
export async function pullImage(
  { runtime, clock, onRetry }: { runtime: Runtime; clock: AgentClock; onRetry: (failure: Failure) => void },
  image: RuntimeImage,
  signal: AbortSignal,
): Promise<Result<null>> {
  const limits = { firstMs: clock.pullRetryFirstMs, longestMs: clock.pullRetryLongestMs };
  for (let attempts = 1; ; attempts++) {
    const pulled = await pullOnce(runtime, image, signal);
    if (pulled.ok || !isTransient(pulled.error) || signal.aborted) return pulled;
    onRetry(pulled.error);
    const hintedMs = (pulled.error.retryAfterSeconds ?? 0) * 1000;
    await pause(Math.max(hintedMs, backoffMs(attempts, limits, Math.random())), signal);
    if (signal.aborted) return pulled;
  }
}

async function pullOnce(runtime: Runtime, image: RuntimeImage, signal: AbortSignal): Promise<Result<null>> {
  try {
    return await runtime.pull(image, signal);
  } catch (error) {
    return fail("internal_error", messageOf(error));
  }
}
