import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { AgentClock } from "../../../src/agent/clock.ts";
import { driver } from "./driver.ts";
import type { FakeSlipway } from "./fake-slipway.ts";

const program = fileURLToPath(new URL("../fixtures/agent.ts", import.meta.url));

export interface AgentProcessOptions {
  apiUrl: string;
  dir: string;
  port: number;
  /** Durations only: no function reaches another process. */
  clock?: Partial<Omit<AgentClock, "sinceBootMs">>;
  /** Whether it has a guard, and whether that starts it again. */
  guard?: { restarts: boolean };
  /** Whether the shells of its backends watch the lease. */
  watchesLease?: boolean;
  /** Where it kills itself: at an event of its log, the one after so many of its kind were passed. */
  dieAt?: { event: string; status?: string; passes?: number };
}

/** An agent in a process of its own, which is gone after the test. */
export async function startAgentProcess(
  slipway: FakeSlipway,
  options: Omit<AgentProcessOptions, "apiUrl" | "port"> & { port?: number },
) {
  const given: AgentProcessOptions = { apiUrl: slipway.url, port: 0, ...options };
  const child = spawn(process.execPath, [program, JSON.stringify(given)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  const url = await firstLine(child);
  return {
    /** Empty where it has died before it listened. */
    url,
    pid: child.pid ?? 0,
    exited,
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
    pause: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
    async close(backends: "end" | "keep") {
      child.stdin.write(`${backends}\n`);
      await exited;
    },
    ...driver(slipway, () => url),
  };
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (!child.stdout) return "";
  for await (const line of createInterface(child.stdout)) return line;
  return "";
}
