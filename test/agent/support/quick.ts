import { join } from "node:path";
import type { AgentClock } from "../../../src/agent/clock.ts";
import type { ImageCommands } from "../../../src/agent/runtimes/process/images/image-store.ts";
import type { WatchedLease } from "../../../src/agent/runtimes/process/launch.ts";
import { type ProcessRuntime, processRuntime } from "../../../src/agent/runtimes/process/process.ts";
import { fixtureImages } from "./images.ts";

/** Short enough that tests do not wait for it. */
export const quickClock = {
  readyPollEveryMs: 10,
  reportHoldMs: 5,
  reportRetryFirstMs: 5,
  reportRetryLongestMs: 20,
  journalRetryMs: 5,
  pullRetryFirstMs: 5,
  pullRetryLongestMs: 20,
  heartbeatEveryMs: 20,
  leaseCheckEveryMs: 10,
} satisfies Partial<AgentClock>;

/** The process runtime of the agent whose state is in a folder: made anew each time, as by an agent that starts. */
export function processesIn(
  dir: string,
  images: ImageCommands = fixtureImages,
  lease: WatchedLease | null = null,
): ProcessRuntime {
  return processRuntime({
    images,
    lease,
    dir: join(dir, "processes"),
    // Every backend of a restarted agent is one whose end is noticed by such a check.
    pollEveryMs: 10,
    followEveryMs: 5,
    sampleEveryMs: 100,
  });
}
