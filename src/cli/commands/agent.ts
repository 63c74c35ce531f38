import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { jsonLog } from "../../agent/log.ts";
import { type AgentFlags, agentOptions } from "../agent/options.ts";
import { runAgent } from "../agent/run.ts";
import { agentSettings } from "../agent/settings.ts";
import { withExamples } from "../arguments.ts";
import { report } from "../run.ts";
import { addVariableOptions, readVariables } from "../variables.ts";

export function addAgentCommand(program: Command): void {
  const agent = withExamples(
    program
      .command("agent")
      .description("Run a cluster's agent in the foreground: webhook, backends and proxy on one port"),
    [
      "slipway agent --cluster eu-prod --state-dir /var/lib/slipway \\\n" +
        "      --agent-token-file agent-token --signing-secret-file signing-secret",
      "SLIPWAY_AGENT_TOKEN=… SLIPWAY_SIGNING_SECRET=whsec_… slipway agent --cluster dev \\\n" +
        "      --state-dir ./agent --runtime process",
    ],
  );
  const options = agentOptions();
  addVariableOptions(agent, options);
  agent.addHelpText(
    "after",
    "\nEach option may come from the variable in brackets instead. What happens is told on stdout, a line of JSON\n" +
      "each. The first SIGTERM or SIGINT stops it in good order; after a second one it leaves at once.",
  );
  agent.action(async (_options: unknown, command: Command) => {
    readVariables(command, options, process.env);
    const { apiUrl, ...flags } = command.optsWithGlobals<AgentFlags & { apiUrl?: string }>();
    const settings = await agentSettings(flags, apiUrl, process.env);
    if (!settings.ok) return report(settings.failure);
    const ended = await runAgent(settings.value, jsonLog(writeLine));
    if (!ended.ok) report(ended.failure);
  });
}

/** A full disk below stdout, or a reader that has left, loses lines of the log and must not end what runs. */
function writeLine(line: string): void {
  try {
    writeFileSync(process.stdout.fd, line);
  } catch {
    // Nowhere to say so.
  }
}
