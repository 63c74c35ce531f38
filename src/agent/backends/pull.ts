import { backoffDelayMs } from "../../domain/deliveries/retry.ts";
import { type Failure, fail, type Result } from "../../domain/result.ts";
import type { AgentClock } from "../clock.ts";
import { messageOf } from "../log.ts";
import type { Runtime, RuntimeImage } from "../runtimes/runtime.ts";
import { pause } from "../timers.ts";

/**
 * Whether a pull may succeed later although it failed now. `unavailable` is what runtimes answer where a registry could
 * not be reached, failed or broke off; that an image does not exist, is forbidden or is unusable does not change.
 */
export function isTransient({ code }: Failure): boolean {
  return code === "unavailable";
}

/**
 * Pulls an image, with retries while the failures are transient, until the signal is aborted. Never rejects.
 * @param onRetry called with each failure that is followed by another attempt
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
    const retryAfterMs = (pulled.error.retryAfterSeconds ?? 0) * 1000;
    await pause(Math.max(retryAfterMs, backoffDelayMs(limits, attempts, Math.random())), signal);
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
