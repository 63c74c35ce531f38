import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { z } from "zod";
import { runningOf } from "../../support/process.ts";
import { eventually } from "./eventually.ts";
import { processesIn } from "./quick.ts";

const alive = z.object({ pid: z.int() });
const plan = z.object({ agent_pid: z.int() });

/** What a file below the guard's folder says; null where there is none. */
function read<T>(stateDir: string, name: string, schema: z.ZodType<T>): T | null {
  const path = join(stateDir, "guard", name);
  return existsSync(path) ? schema.parse(JSON.parse(readFileSync(path, "utf8"))) : null;
}

/** The process of the guard of an agent's state directory; null where there has been none. */
export function guardPid(stateDir: string): number | null {
  return read(stateDir, "alive.json", alive)?.pid ?? null;
}

function agentPid(stateDir: string): number | null {
  return read(stateDir, "plan.json", plan)?.agent_pid ?? null;
}

/** Ends what an agent has left, once the test is over. Call it before the agent is started. */
export function endLater(dir: string): void {
  onTestFinished(async () => {
    const runtime = processesIn(dir);
    for (const { backendId, exited } of await runtime.list()) {
      await runtime.stop(backendId, "hard");
      await exited;
    }
  });
}

/** The guard of a state directory, which is gone after the test. */
export function guardOf(stateDir: string) {
  const isRunning = async () => (await runningOf([guardPid(stateDir) ?? 0])).length > 0;
  const signal = (name: NodeJS.Signals) => {
    const pid = guardPid(stateDir);
    if (pid === null) throw new Error(`${stateDir} has no guard`);
    process.kill(pid, name);
    return pid;
  };
  onTestFinished(async () => {
    if (await isRunning()) signal("SIGKILL");
    // One that the guard has started.
    for (const pid of await runningOf([agentPid(stateDir) ?? 0])) process.kill(pid, "SIGKILL");
  });
  return {
    pid: () => guardPid(stateDir),
    /** The process of the agent that it watches. */
    agentPid: () => agentPid(stateDir),
    isRunning,
    signal,
    /** Resolves once one is there. @param otherThan the process of one that does not count */
    started: (otherThan: number | null = null) =>
      eventually(async () => (await isRunning()) && guardPid(stateDir) !== otherThan).toBe(true),
    log: () => readFileSync(join(stateDir, "guard", "guard.log"), "utf8"),
  };
}
