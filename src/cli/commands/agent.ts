import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { z } from "zod";
import { type Agent, startAgent } from "../../agent/agent.ts";
import { jsonLog, messageOf } from "../../agent/log.ts";
import { type ImageCommands, processRuntime } from "../../agent/runtimes/process.ts";
import { digest } from "../../protocol/primitives.ts";
import { asName, asPort, withExamples } from "../arguments.ts";
import { exitCodes } from "../outcome.ts";
import { agentToken, resolveSettings } from "../settings.ts";

const imageCommands = z.record(
  digest,
  z.strictObject({
    command: z.array(z.string()).min(1),
    env: z.record(z.string(), z.string()).optional(),
    cwd: z.string().optional(),
  }),
);

interface AgentOptions {
  cluster: string;
  runtime: "process";
  agentToken?: string;
  signingSecret?: string[];
  images: string;
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
      .requiredOption("--images <file>", "process runtime: JSON of digest -> {command, env?, cwd?}")
      .option("--host <address>", "where it listens", "127.0.0.1")
      .option("--port <n>", "where it listens", asPort, 8790)
      .option("--public-url <url>", "where clients reach it, if not at the address that it listens on"),
    [
      "slipway agent --cluster eu-prod --images images.json --port 8790",
      "SLIPWAY_AGENT_TOKEN=… SLIPWAY_SIGNING_SECRET=whsec_… slipway agent --cluster eu-prod --images images.json",
    ],
  ).action(async (options: AgentOptions, command: Command) => {
    const { apiUrl } = command.optsWithGlobals<{ apiUrl?: string }>();
    const settings = await resolveSettings(agentToken, { apiUrl, secret: options.agentToken }, process.env);
    if (!settings.ok) return refuse(settings.failure.message);
    if (!options.signingSecret)
      return refuse("no signing secret: give --signing-secret or set SLIPWAY_SIGNING_SECRET");
    try {
      const agent = await startAgent({
        apiUrl: settings.value.apiUrl,
        agentToken: settings.value.secret,
        cluster: options.cluster,
        signingSecrets: options.signingSecret,
        runtime: processRuntime({ images: await readImages(options.images) }),
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

async function readImages(path: string): Promise<ImageCommands> {
  const parsed = imageCommands.safeParse(JSON.parse(await readFile(path, "utf8")));
  if (!parsed.success) throw new Error(`${path}: ${z.prettifyError(parsed.error)}`);
  return async ({ digest: wanted }) => {
    const found = parsed.data[wanted];
    if (!found) return null;
    return {
      command: found.command,
      ...(found.env === undefined ? {} : { env: found.env }),
      ...(found.cwd === undefined ? {} : { cwd: found.cwd }),
    };
  };
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
