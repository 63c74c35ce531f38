import { cpus, freemem } from "node:os";
import { pause } from "../../timers.ts";
import type { Usage } from "../runtime.ts";
import type { ProcessTable } from "./process-table.ts";

/** What a process group uses, until it has ended or one of the signals is aborted. */
export async function* usageOfGroup(
  { table, everyMs }: { table: ProcessTable; everyMs: number },
  group: number,
  signal: AbortSignal,
): AsyncGenerator<Usage> {
  const sample = async () => {
    const usage = await table.usageOf(group);
    return usage && { ...usage, at: performance.now() };
  };
  for (let before = await sample(); before !== null && !signal.aborted; ) {
    await pause(everyMs, signal);
    const now = await sample();
    if (now === null || signal.aborted) return;
    yield {
      memoryUsedBytes: now.memoryBytes,
      memoryAvailableBytes: freemem(),
      // Less than before where a process has ended that its parent did not wait for.
      cpuUsed: Math.max(0, now.cpuMs - before.cpuMs),
      systemCpu: (now.at - before.at) * cpus().length,
    };
    before = now;
  }
}
