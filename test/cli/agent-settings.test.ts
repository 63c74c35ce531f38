import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { describe, expect, test } from "vitest";
import { type AgentFlags, agentOptions } from "../../src/cli/agent/options.ts";
import { type AgentSettings, agentSettings } from "../../src/cli/agent/settings.ts";
import type { Outcome } from "../../src/cli/outcome.ts";
import { addVariableOptions, readVariables } from "../../src/cli/variables.ts";
import { makeFolder } from "./slipway.ts";

const token = `acme_0123456789ab.${"s".repeat(43)}`;
const otherToken = `acme_0123456789ab.${"t".repeat(43)}`;
const signingSecret = `whsec_${btoa("0123456789".repeat(3))}`;
const nextSecret = `whsec_${btoa("9876543210".repeat(3))}`;
const enough = {
  SLIPWAY_CLUSTER: "eu-prod",
  SLIPWAY_AGENT_STATE_DIR: "/state",
  SLIPWAY_AGENT_TOKEN: token,
  SLIPWAY_SIGNING_SECRET: signingSecret,
};

/** The settings of a command line and an environment. Throws, as the command does, what an option does not accept. */
async function read(args: string[], env: NodeJS.ProcessEnv): Promise<Outcome<AgentSettings>> {
  const quiet = { writeErr: () => undefined };
  const command = new Command("agent").exitOverride().configureOutput(quiet);
  const options = agentOptions();
  addVariableOptions(command, options);
  command.parse(args, { from: "user" });
  readVariables(command, options, env);
  return agentSettings(command.opts<AgentFlags>(), undefined, env);
}

async function settings(args: string[], env: NodeJS.ProcessEnv): Promise<AgentSettings> {
  const outcome = await read(args, env);
  if (!outcome.ok) throw new Error(outcome.failure.message);
  return outcome.value;
}

/** What is reported of unusable options. */
async function refusal(args: string[], env: NodeJS.ProcessEnv): Promise<string> {
  try {
    const outcome = await read(args, env);
    if (outcome.ok) throw new Error("it was accepted");
    expect(outcome.failure.kind).toBe("usage");
    return outcome.failure.message;
  } catch (error) {
    if (error instanceof CommanderError) return error.message;
    throw error;
  }
}

describe("an agent's settings", () => {
  test("an agent needs a cluster, a folder and its two secrets, and then runs containers", async () => {
    expect(await settings([], enough)).toEqual({
      apiUrl: "http://localhost:8787",
      account: "acme",
      agentToken: token,
      cluster: "eu-prod",
      signingSecrets: [signingSecret],
      stateDir: "/state",
      runtime: { kind: "docker" },
      onStop: "end",
      guard: "restart",
      diskMarks: { high: 85, low: 80, floor: 5 },
      host: "127.0.0.1",
      port: 8790,
    });
  });

  test("everything may come from the environment", async () => {
    const env = {
      ...enough,
      SLIPWAY_API_URL: "https://api.example.com/",
      SLIPWAY_RUNTIME: "docker",
      SLIPWAY_ON_STOP: "keep",
      SLIPWAY_IMAGE_GC_HIGH: "70",
      SLIPWAY_IMAGE_GC_LOW: "62.5",
      SLIPWAY_DISK_FLOOR: "0",
      SLIPWAY_HOST: "0.0.0.0",
      SLIPWAY_PORT: "80",
      SLIPWAY_PUBLIC_URL: "https://eu.example.com",
      SLIPWAY_BACKEND_DOMAIN: "eu.example.com",
      SLIPWAY_DOCKER_HOST: "unix:///run/engine.sock",
      SLIPWAY_DOCKER_NETWORK: "sessions",
      SLIPWAY_READ_ONLY: "true",
      SLIPWAY_MOUNT_BASE: "/srv/sessions",
    };
    expect(await settings([], env)).toMatchObject({
      apiUrl: "https://api.example.com",
      onStop: "keep",
      diskMarks: { high: 70, low: 62.5, floor: 0 },
      host: "0.0.0.0",
      port: 80,
      publicUrl: "https://eu.example.com",
      backendDomain: "eu.example.com",
      runtime: {
        kind: "docker",
        engine: { socketPath: "/run/engine.sock" },
        network: "sessions",
        readOnly: true,
        mountBase: "/srv/sessions",
      },
    });
  });

  test("an option wins over its variable, and an empty variable counts for nothing", async () => {
    const env = { ...enough, SLIPWAY_PORT: "80", SLIPWAY_PUBLIC_URL: "", SLIPWAY_ON_STOP: "" };
    const given = await settings(["--port", "81", "--cluster", "us-prod"], env);
    expect(given).toMatchObject({ port: 81, cluster: "us-prod", onStop: "end" });
    expect(given).not.toHaveProperty("publicUrl");
  });

  test("a flag's variable may say that it is not set", async () => {
    const { runtime } = await settings([], { ...enough, SLIPWAY_READ_ONLY: "false" });
    expect(runtime).toEqual({ kind: "docker", readOnly: false });
    await settings(["--runtime", "process"], { ...enough, SLIPWAY_READ_ONLY: "false" });
  });

  test("two signing secrets are given while one is rotated", async () => {
    const both = [signingSecret, nextSecret];
    expect((await settings(["--signing-secret", ...both], enough)).signingSecrets).toEqual(both);
    const env = { ...enough, SLIPWAY_SIGNING_SECRET: both.join(" ") };
    expect((await settings([], env)).signingSecrets).toEqual(both);
  });

  test("secrets may be in files, which end with a line end or do not", async () => {
    await using folder = await makeFolder();
    const [tokenPath, secretPath] = [join(folder.path, "token"), join(folder.path, "secret")];
    await writeFile(tokenPath, token);
    await writeFile(secretPath, `${signingSecret}\n${nextSecret}\n`);
    const { SLIPWAY_CLUSTER, SLIPWAY_AGENT_STATE_DIR } = enough;
    const given = { SLIPWAY_CLUSTER, SLIPWAY_AGENT_STATE_DIR };
    const read = { agentToken: token, signingSecrets: [signingSecret, nextSecret] };
    const env = { ...given, SLIPWAY_AGENT_TOKEN_FILE: tokenPath, SLIPWAY_SIGNING_SECRET_FILE: secretPath };
    expect(await settings([], env)).toMatchObject(read);
    const args = ["--agent-token-file", tokenPath, "--signing-secret-file", secretPath];
    expect(await settings(args, given)).toMatchObject(read);
  });

  test("the engine is that of DOCKER_HOST where no option names one", async () => {
    const env = { ...enough, DOCKER_HOST: "tcp://127.0.0.1:2375" };
    expect((await settings([], env)).runtime).toMatchObject({ engine: { host: "127.0.0.1", port: "2375" } });
    expect((await settings(["--docker-host", "unix:///other.sock"], env)).runtime).toMatchObject({
      engine: { host: "", socketPath: "/other.sock" },
    });
    expect((await settings(["--runtime", "process"], env)).runtime).toEqual({ kind: "process" });
  });
});

describe("what is refused, with what would be right and without the secret", () => {
  const wrong: [title: string, args: string[], env: NodeJS.ProcessEnv, says: string][] = [
    ["no cluster", [], { SLIPWAY_CLUSTER: "" }, "give --cluster or set SLIPWAY_CLUSTER"],
    ["no folder", [], { SLIPWAY_AGENT_STATE_DIR: "" }, "give --state-dir or set SLIPWAY_AGENT_STATE_DIR"],
    ["no token", [], { SLIPWAY_AGENT_TOKEN: "" }, "give --agent-token or set SLIPWAY_AGENT_TOKEN"],
    ["no secret", [], { SLIPWAY_SIGNING_SECRET: "" }, "give --signing-secret or set SLIPWAY_SIGNING_SECRET"],
    ["a token cut short", ["--agent-token", otherToken.slice(0, -1)], {}, "<account>_<id>.<secret>"],
    ["half a secret", ["--signing-secret", signingSecret, "ttttt"], {}, "it looks like whsec_<base64>"],
    ["a token twice", ["--agent-token-file", "/token"], {}, "either --agent-token or --agent-token-file"],
    [
      "a secret twice",
      ["--signing-secret-file", "/s"],
      {},
      "either --signing-secret or --signing-secret-file",
    ],
    [
      "a file that is not there",
      ["--agent-token-file", "/nowhere/token"],
      { SLIPWAY_AGENT_TOKEN: "" },
      "no such file or directory, open '/nowhere/token'",
    ],
    ["an empty file", ["--agent-token-file", "/dev/null"], { SLIPWAY_AGENT_TOKEN: "" }, "/dev/null holds no"],
    ["a name that is none", ["--cluster", "EU"], {}, "--cluster <name>"],
    [
      "a port that is none",
      [],
      { SLIPWAY_PORT: "tcp://10.0.0.1:80" },
      "SLIPWAY_PORT is not usable for --port",
    ],
    ["an unknown runtime", [], { SLIPWAY_RUNTIME: "podman" }, "Allowed choices are docker, process"],
    ["a flag that is no flag", [], { SLIPWAY_READ_ONLY: "1" }, "expected true or false"],
    ["marks the wrong way round", ["--image-gc-low", "85"], {}, "must be less than --image-gc-high"],
    ["more than a whole disk", ["--image-gc-high", "101"], {}, "expected a percentage, 0 to 100"],
    ["a floor in bytes", [], { SLIPWAY_DISK_FLOOR: "5GB" }, "expected a percentage, 0 to 100"],
    ["an unknown end", ["--on-stop", "drop"], {}, "Allowed choices are end, keep"],
    ["a public address that is none", ["--public-url", "eu.example.com"], {}, "not an http or https URL"],
    ["a domain that is none", ["--backend-domain", "https://x"], {}, "give one such as `prod.example.com`"],
    ["an engine elsewhere", [], { DOCKER_HOST: "tcp://10.0.0.1:2375" }, "of this machine"],
    ["an engine over ssh", ["--docker-host", "ssh://host"], {}, "of this machine"],
    ["isolation of processes", ["--runtime", "process", "--read-only"], {}, "are for --runtime docker"],
    [
      "mounts for processes",
      ["--runtime", "process"],
      { SLIPWAY_MOUNT_BASE: "/x" },
      "are for --runtime docker",
    ],
  ];

  test.for(wrong)("%s", async ([, args, env, says]) => {
    const message = await refusal(args, { ...enough, ...env });
    expect(message).toContain(says);
    expect(message).not.toMatch(/ttttt|sssss|whsec_[A-Za-z0-9]/);
  });
});

test("a file with two agent tokens in it is refused: which one is it?", async () => {
  await using folder = await makeFolder();
  const path = join(folder.path, "tokens");
  await writeFile(path, `${token}\n${otherToken}\n`);
  const message = await refusal(["--agent-token-file", path], { ...enough, SLIPWAY_AGENT_TOKEN: "" });
  expect(message).toContain("<account>_<id>.<secret>");
});

test("the help names the variable of every option, once", () => {
  const command = new Command("agent");
  addVariableOptions(command, agentOptions());
  const help = command.helpInformation();
  for (const { variable } of agentOptions()) expect(help.split(`(${variable})`), variable).toHaveLength(2);
});
