import { type Command, Option } from "commander";
import { type Agent, startAgent } from "../../agent/agent.ts";
import { imageStore } from "../../agent/images/image-store.ts";
import { agentCredentials } from "../../agent/images/registry-authorization.ts";
import { registryClient } from "../../agent/images/registry-client.ts";
import { jsonLog, messageOf } from "../../agent/log.ts";
import { processRuntime } from "../../agent/runtimes/process.ts";
import { asName, asPort, withExamples } from "../arguments.ts";
import { exitCodes } from "../outcome.ts";
import { agentToken, resolveSettings } from "../settings.ts";

interface AgentOptions {
  cluster: string;
  runtime: "process";
  agentToken?: string;
  signingSecret?: string[];
  imagesDir: string;
  host: string;
  port: number;
  publicUrl?: string;
}

export function addAgentCommand(program: Command): void {
  withExamples(
    program
      .command("agent")
      .description("Run a cluster's agent in the foreground: webhook, backends and proxy on one port")
      .requiredOption("--cluster <name>", "the cluster it is the agent of", asName)
      .addOption(new Option("--runtime <name>", "how backends run").choices(["process"]).default("process"))
      .option("--agent-token <token>", "the cluster's agent token (SLIPWAY_AGENT_TOKEN)")
      .addOption(
        new Option(
          "--signing-secret <secret...>",
          "what webhooks are signed with; two while one is rotated",
        ).env("SLIPWAY_SIGNING_SECRET"),
      )
      .requiredOption("--images-dir <dir>", "where pulled images are kept, for this agent alone")
      .option("--host <address>", "where it listens", "127.0.0.1")
      .option("--port <n>", "where it listens", asPort, 8790)
      .option("--public-url <url>", "where clients reach it, if not at the address that it listens on"),
    [
      "slipway agent --cluster eu-prod --images-dir ./images --port 8790",
      "SLIPWAY_AGENT_TOKEN=… SLIPWAY_SIGNING_SECRET=whsec_… slipway agent --cluster eu-prod --images-dir ./images",
    ],
  ).action(async (options: AgentOptions, command: Command) => {
    const { apiUrl } = command.optsWithGlobals<{ apiUrl?: string }>();
    const settings = await resolveSettings(agentToken, { apiUrl, secret: options.agentToken }, process.env);
    if (!settings.ok) return refuse(settings.failure.message);
    if (!options.signingSecret)
      return refuse("no signing secret: give --signing-secret or set SLIPWAY_SIGNING_SECRET");
    const { apiUrl: slipwayUrl, secret } = settings.value;
    try {
      const registry = registryClient(agentCredentials(slipwayUrl, secret));
      const agent = await startAgent({
        apiUrl: slipwayUrl,
        agentToken: secret,
        cluster: options.cluster,
        signingSecrets: options.signingSecret,
        runtime: processRuntime({ images: imageStore({ dir: options.imagesDir, registry }) }),
        host: options.host,
        port: options.port,
        ...(options.publicUrl === undefined ? {} : { publicUrl: options.publicUrl }),
        log: jsonLog((line) => process.stdout.write(line)),
      });
      await untilStopped(agent);
    } catch (error) {
      refuse(messageOf(error));
    }
  });
}

/** Backends do not die with their agent by themselves: a signal closes it first. */
function untilStopped(agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => void agent.close().then(resolve, reject);
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
  });
}

function refuse(message: string): void {
  process.stderr.write(`error: ${message}\n`);
  process.exitCode = exitCodes.usage;
}
