import { fileURLToPath } from "node:url";
import type { AgentEnvironment } from "../clusters/agent-command.ts";
import { type KillableProcess, killableProcess } from "./process.ts";

const main = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));

/** `slipway agent` over one state directory. */
export function killableAgent(env: AgentEnvironment & Record<string, string>): KillableProcess {
  return killableProcess({
    name: `the agent of ${env.SLIPWAY_CLUSTER}`,
    command: [process.execPath, main, "agent"],
    // It is the test that starts it again.
    env: { SLIPWAY_GUARD: "watch", ...env },
    saysItServes: (line) => line.includes('"event":"agent.started"'),
  });
}
