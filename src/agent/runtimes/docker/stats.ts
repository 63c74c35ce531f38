import type Docker from "dockerode";
import { z } from "zod";
import type { Usage } from "../runtime.ts";
import { asReadable, callEngine, refusalOf, retryPauses } from "./engine.ts";
import { jsonLines } from "./json-lines.ts";

/** A sample of a container that runs, as the engine gives it; one that has ended has no memory. */
const engineSample = z.object({
  memory_stats: z.object({
    usage: z.number(),
    limit: z.number(),
    stats: z.object({ total_inactive_file: z.number(), inactive_file: z.number() }).partial().default({}),
  }),
  /** In nanoseconds since the container and the machine were started. */
  cpu_stats: z.object({
    cpu_usage: z.object({ total_usage: z.number() }),
    system_cpu_usage: z.number(),
  }),
});
type EngineSample = z.infer<typeof engineSample>;

/** Reads a line of the engine's; null where the container had nothing to measure. */
export function readSample(line: unknown): EngineSample | null {
  return engineSample.safeParse(line).data ?? null;
}

/**
 * What was used between two samples. Memory is counted as `docker stats` does it, without files that are cached and
 * were not used of late: `total_inactive_file` in cgroup v1, `inactive_file` in v2.
 */
export function usageBetween(before: EngineSample, now: EngineSample): Usage {
  const { usage, limit, stats } = now.memory_stats;
  const cachedBytes = stats.total_inactive_file ?? stats.inactive_file ?? 0;
  const memoryUsedBytes = cachedBytes < usage ? usage - cachedBytes : usage;
  return {
    memoryUsedBytes,
    memoryAvailableBytes: Math.max(0, limit - memoryUsedBytes),
    cpuUsed: Math.max(0, now.cpu_stats.cpu_usage.total_usage - before.cpu_stats.cpu_usage.total_usage),
    systemCpu: Math.max(0, now.cpu_stats.system_cpu_usage - before.cpu_stats.system_cpu_usage),
  };
}

/**
 * Samples of what a container uses, about one a second. Ends when it has ended or is gone, or the signal is aborted.
 */
export async function* containerStats(
  docker: Docker,
  containerId: string,
  signal: AbortSignal,
): AsyncGenerator<Usage> {
  const container = docker.getContainer(containerId);
  for (const pause = retryPauses(); !signal.aborted; await pause(signal)) {
    try {
      const answer = await callEngine(() => container.stats({ stream: true }), signal);
      let before: EngineSample | null = null;
      for await (const line of jsonLines(asReadable(answer, signal))) {
        const now = readSample(line);
        // The engine goes on with empty samples when a container has ended.
        if (now === null) break;
        if (before) yield usageBetween(before, now);
        before = now;
      }
      const { State } = await callEngine((abortSignal) => container.inspect({ abortSignal }), signal);
      if (!State.Running) return;
    } catch (error) {
      if (refusalOf(error)?.status === 404) return;
    }
  }
}
