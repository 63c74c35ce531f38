import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { hasCode } from "../log.ts";
import type { GuardedRuntime } from "../runtimes/runtime.ts";

/** What the guard goes by. It may be of another version than the agent: a change that it must understand is another format. */
export interface Plan {
  runtime: GuardedRuntime;
  agent_pid: number;
  /** What an agent that was stopped did with its backends; null before. */
  stopped: "end" | "keep" | null;
}

const planFormat = 1;

const aliveGuard = z.object({
  pid: z.int().min(2),
  identity: z.string(),
  /** A hash of its program. */
  program: z.string(),
  is_supervised: z.boolean(),
});

/** The guard that holds the lock of a state directory. */
export type AliveGuard = z.infer<typeof aliveGuard>;

/** Replaces the plan as a whole. Throws where it cannot be written. */
export function writePlan(folder: string, plan: Plan): void {
  const path = join(folder, "plan.json");
  const unfinished = `${path}.unfinished`;
  writeFileSync(unfinished, JSON.stringify({ format: planFormat, ...plan }), { mode: 0o600, flush: true });
  renameSync(unfinished, path);
}

/** The guard that was there last, if there was one. */
export function readAlive(folder: string): AliveGuard | null {
  try {
    return aliveGuard.parse(JSON.parse(readFileSync(join(folder, "alive.json"), "utf8")));
  } catch (error) {
    if (hasCode(error, "ENOENT") || error instanceof SyntaxError || error instanceof z.ZodError) return null;
    throw error;
  }
}

/** Changes at each turn of the guard. Null where there was none. */
export function lastTurn(folder: string): number | null {
  return statSync(join(folder, "alive.json"), { throwIfNoEntry: false })?.mtimeMs ?? null;
}
