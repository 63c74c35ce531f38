import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { collectOutput } from "../support/process.ts";
import type { Sandbox } from "./sandbox.ts";

const answersWithinMs = 20_000;
const pollMs = 20;

export interface ReferenceProgram extends AsyncDisposable {
  pid: number | undefined;
}

/**
 * Starts a program that ours is compared with, and waits until it answers at `url`. It ends, and its folder goes, when
 * it is disposed of. @throws with what it printed if it does not start to answer
 */
export async function startReferenceProgram(
  sandbox: Sandbox,
  { program, args, dir, url }: { program: string; args: readonly string[]; dir: string; url: string },
): Promise<ReferenceProgram> {
  const child = sandbox.own(spawn(program, args, { cwd: dir, stdio: ["ignore", "pipe", "pipe"] }));
  const printed = collectOutput(child);
  const exited = once(child, "exit");
  const stop = async () => {
    child.kill("SIGKILL");
    await exited;
    await rm(dir, { recursive: true });
  };
  const giveUpAt = performance.now() + answersWithinMs;
  while (!(await answers(url))) {
    if (child.exitCode !== null || performance.now() > giveUpAt) {
      await stop();
      throw new Error(`${program} does not answer:\n${printed.output}`);
    }
    await pause(pollMs);
  }
  return { pid: child.pid, [Symbol.asyncDispose]: stop };
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(answersWithinMs) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
