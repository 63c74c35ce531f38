import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { hasCode, isDiskFull } from "../log.ts";
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

/** In bytes: plans differ by less, and the next one finds the room of the one before. */
const planRoundedTo = 512;

/**
 * Replaces the plan: as a whole, or on a full disk where it is, since a stop that the guard does not know of is undone by it.
 * Throws where it cannot be written.
 */
export function writePlan(folder: string, plan: Plan): void {
  const path = join(folder, "plan.json");
  const json = JSON.stringify({ format: planFormat, ...plan });
  const text = json.padEnd(Math.ceil(json.length / planRoundedTo) * planRoundedTo);
  const unfinished = `${path}.unfinished`;
  try {
    writeFileSync(unfinished, text, { mode: 0o600, flush: true });
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    if (!isDiskFull(error) || !existsSync(path)) throw error;
    overwrite(path, text);
  }
}

function overwrite(path: string, text: string): void {
  const file = openSync(path, "r+");
  try {
    writeSync(file, text.padEnd(fstatSync(file).size), 0);
  } finally {
    closeSync(file);
  }
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
