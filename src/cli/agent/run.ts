import { constants } from "node:os";
import { type Agent, startAgent } from "../../agent/agent.ts";
import { openJournal } from "../../agent/backends/journal.ts";
import { type Log, messageOf } from "../../agent/log.ts";
import { done, type Outcome, requestFailure } from "../outcome.ts";
import { StopRequests } from "../stop-requests.ts";
import { agentRuntime, requireEngine } from "./runtime.ts";
import type { AgentSettings } from "./settings.ts";

/**
 * Runs an agent until a signal to stop. A second signal ends the process at once. Fails where the agent cannot be
 * started.
 */
export async function runAgent(settings: AgentSettings, log: Log): Promise<Outcome<null>> {
  const { runtime: choice, onStop, guard, ...options } = settings;
  const engine = await requireEngine(choice);
  if (!engine.ok) return engine;
  let leave: () => void = () => undefined;
  let agent: Agent | undefined;
  const stopRequested = stopSignal(log, () => {
    if (onStop === "end") leave();
    // Containers outlive it, whatever it was to do with them.
    agent?.leave(choice.kind === "process" ? onStop : "keep");
  });
  try {
    const made = agentRuntime({ ...options, choice, agentId: agentIdIn(options), log });
    leave = made.leave;
    const command = guard === "restart" && !hasSupervisor() ? ownCommand() : [];
    agent = await startAgent({
      ...options,
      runtime: made.runtime,
      ...(guard === "none" ? {} : { guard: { command } }),
      log,
    });
    await stopRequested;
    await agent.close({ backends: onStop });
    return done(null);
  } catch (error) {
    return requestFailure(messageOf(error));
  }
}

/** The agent id that a state directory stores; creates both if missing. Throws where that fails. */
export function agentIdIn({
  stateDir,
  account,
  cluster,
}: Pick<AgentSettings, "stateDir" | "account" | "cluster">): string {
  const journal = openJournal(stateDir, { account, cluster });
  journal.close();
  return journal.agentId;
}

/**
 * Whether systemd has started this process, or its container ends with it: what starts it again is then another's, and a
 * restart from elsewhere would take it out of their hands.
 */
function hasSupervisor(): boolean {
  return process.pid === 1 || process.env.SYSTEMD_EXEC_PID === String(process.pid);
}

/** What starts this process once more. */
function ownCommand(): string[] {
  return [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
}

/** Resolves at the first signal to stop. @param leave called at the second, before this process ends */
function stopSignal(log: Log, leave: () => void): Promise<void> {
  const requests = new StopRequests();
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        const request = requests.receive(performance.now());
        if (request === "same") return;
        log("agent.stopping", { signal, at_once: request === "leave" });
        if (request === "stop") return resolve();
        leave();
        process.exit(128 + constants.signals[signal]);
      });
    }
  });
}
