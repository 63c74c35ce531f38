import { Option } from "commander";
import { diskFloorPercent, imageGcHighPercent, imageGcLowPercent } from "../../domain/limits.ts";
import { asName, asPercent, asPort } from "../arguments.ts";
import type { VariableOption } from "../variables.ts";

/** The options of `slipway agent` as parsed, not checked any further. */
export interface AgentFlags {
  cluster?: string;
  runtime: "process" | "docker";
  agentToken?: string;
  agentTokenFile?: string;
  signingSecret?: string | string[];
  signingSecretFile?: string;
  stateDir?: string;
  host: string;
  port: number;
  publicUrl?: string;
  backendDomain?: string;
  onStop: "end" | "keep";
  guard: "restart" | "watch" | "none";
  imageGcHigh: number;
  imageGcLow: number;
  diskFloor: number;
  dockerHost?: string;
  dockerNetwork?: string;
  readOnly?: boolean;
  mountBase?: string;
}

const filling = "As the disk fills, in percent of it:";
const connecting = "Where connections arrive:";
const docker = "With --runtime docker:";

/** Its options, new ones for each program. */
export const agentOptions = (): VariableOption[] => [
  {
    option: new Option("--cluster <name>", "the cluster it is the agent of").argParser(asName),
    variable: "SLIPWAY_CLUSTER",
  },
  {
    option: new Option("--agent-token <token>", "the cluster's agent token"),
    variable: "SLIPWAY_AGENT_TOKEN",
  },
  {
    option: new Option("--agent-token-file <path>", "a file that holds it"),
    variable: "SLIPWAY_AGENT_TOKEN_FILE",
  },
  {
    option: new Option(
      "--signing-secret <secret...>",
      "what webhooks are signed with; two, a space between them, while one is rotated",
    ),
    variable: "SLIPWAY_SIGNING_SECRET",
  },
  {
    option: new Option("--signing-secret-file <path>", "a file that holds it, or them, a line each"),
    variable: "SLIPWAY_SIGNING_SECRET_FILE",
  },
  {
    option: new Option(
      "--state-dir <folder>",
      "what it must not forget: its journal, and with --runtime process images and backends; for this agent alone",
    ),
    // SLIPWAY_STATE_DIR is where the other commands look for what `npm start` wrote.
    variable: "SLIPWAY_AGENT_STATE_DIR",
  },
  {
    option: new Option("--runtime <name>", "what backends run in; processes are not isolated at all")
      .choices(["docker", "process"])
      .default("docker"),
    variable: "SLIPWAY_RUNTIME",
  },
  {
    option: new Option(
      "--on-stop <what>",
      "when it is asked to stop: end its backends, or keep them running for its next start",
    )
      .choices(["end", "keep"])
      .default("end"),
    variable: "SLIPWAY_ON_STOP",
  },
  {
    option: new Option(
      "--guard <what>",
      "the process beside it that ends backends with keys when it cannot: also starts it again after a crash, or only watches; none leaves keys with their holders while the agent is away",
    )
      .choices(["restart", "watch", "none"])
      .default("restart"),
    variable: "SLIPWAY_GUARD",
  },
  {
    option: new Option(
      "--image-gc-high <percent>",
      "with more than this in use, it removes images that it has pulled and nothing uses, the least recently used first",
    )
      .argParser(asPercent)
      .default(imageGcHighPercent)
      .helpGroup(filling),
    variable: "SLIPWAY_IMAGE_GC_HIGH",
  },
  {
    option: new Option("--image-gc-low <percent>", "until no more than this is in use")
      .argParser(asPercent)
      .default(imageGcLowPercent)
      .helpGroup(filling),
    variable: "SLIPWAY_IMAGE_GC_LOW",
  },
  {
    option: new Option(
      "--disk-floor <percent>",
      "with less than this free, it refuses spawns; 0 refuses none",
    )
      .argParser(asPercent)
      .default(diskFloorPercent)
      .helpGroup(filling),
    variable: "SLIPWAY_DISK_FLOOR",
  },
  {
    option: new Option("--host <address>", "where it listens").default("127.0.0.1").helpGroup(connecting),
    variable: "SLIPWAY_HOST",
  },
  {
    option: new Option("--port <n>", "where it listens")
      .argParser(asPort)
      .default(8790)
      .helpGroup(connecting),
    variable: "SLIPWAY_PORT",
  },
  {
    option: new Option(
      "--public-url <url>",
      "where clients reach it, if not at the address that it listens on",
    ).helpGroup(connecting),
    variable: "SLIPWAY_PUBLIC_URL",
  },
  {
    option: new Option(
      "--backend-domain <domain>",
      "gives each backend the host <backend id>.<domain>, which must lead here",
    ).helpGroup(connecting),
    variable: "SLIPWAY_BACKEND_DOMAIN",
  },
  {
    option: new Option(
      "--docker-host <url>",
      "this machine's engine; by default that of DOCKER_HOST, or the usual socket",
    ).helpGroup(docker),
    variable: "SLIPWAY_DOCKER_HOST",
  },
  {
    option: new Option(
      "--docker-network <name>",
      "the network that backends join; by default one of this agent's own, in which they do not reach each other",
    ).helpGroup(docker),
    variable: "SLIPWAY_DOCKER_NETWORK",
  },
  {
    option: new Option(
      "--read-only",
      "let backends write to nothing but /tmp, which is in memory, and their mount",
    ).helpGroup(docker),
    variable: "SLIPWAY_READ_ONLY",
  },
  {
    option: new Option(
      "--mount-base <folder>",
      "the folder whose folders backends may ask to have mounted",
    ).helpGroup(docker),
    variable: "SLIPWAY_MOUNT_BASE",
  },
];
