import { readFile } from "node:fs/promises";
import { messageOf } from "../../agent/log.ts";
import { parseBackendDomain } from "../../agent/proxy/backend-url.ts";
import type { DiskMarks } from "../../domain/disk/disk-space.ts";
import { parseAccessToken } from "../../protocol/tokens/access-token.ts";
import { signingSecret } from "../../protocol/webhooks/signature.ts";
import { backendUrlProblem } from "../../protocol/webhooks/url.ts";
import { done, type Outcome, usageFailure } from "../outcome.ts";
import { agentToken, resolveSettings } from "../settings.ts";
import { parseDockerHost } from "./docker-host.ts";
import type { AgentFlags } from "./options.ts";
import type { RuntimeChoice } from "./runtime.ts";

export interface AgentSettings {
  apiUrl: string;
  account: string;
  cluster: string;
  agentToken: string;
  signingSecrets: string[];
  stateDir: string;
  runtime: RuntimeChoice;
  onStop: "end" | "keep";
  guard: "restart" | "watch" | "none";
  diskMarks: DiskMarks;
  host: string;
  port: number;
  publicUrl?: string;
  backendDomain?: string;
}

/**
 * Checks the options of `slipway agent`, and reads the files that hold secrets. Fails as `usage`, naming the option
 * and its variable but no secret.
 */
export async function agentSettings(
  flags: AgentFlags,
  apiUrl: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<Outcome<AgentSettings>> {
  const { cluster, stateDir, publicUrl, backendDomain, host, port, onStop, guard } = flags;
  if (cluster === undefined) return missing("cluster", "--cluster", "SLIPWAY_CLUSTER");
  if (stateDir === undefined) return missing("state directory", "--state-dir", "SLIPWAY_AGENT_STATE_DIR");
  const token = await agentTokenOf(flags, apiUrl, env);
  if (!token.ok) return token;
  const signingSecrets = await signingSecretsOf(flags);
  if (!signingSecrets.ok) return signingSecrets;
  const runtime = runtimeOf(flags, env);
  if (!runtime.ok) return runtime;
  const diskMarks = { high: flags.imageGcHigh, low: flags.imageGcLow, floor: flags.diskFloor };
  if (diskMarks.low >= diskMarks.high)
    return usageFailure("--image-gc-low must be less than --image-gc-high");
  const urlProblem = publicUrl === undefined ? null : backendUrlProblem(publicUrl);
  if (urlProblem !== null) return usageFailure(`--public-url: \`${publicUrl}\`: ${urlProblem}`);
  try {
    if (backendDomain !== undefined) parseBackendDomain(backendDomain);
  } catch (error) {
    return usageFailure(`--backend-domain: ${messageOf(error)}`);
  }
  return done({
    ...token.value,
    cluster,
    signingSecrets: signingSecrets.value,
    stateDir,
    runtime: runtime.value,
    onStop,
    guard,
    diskMarks,
    host,
    port,
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(backendDomain === undefined ? {} : { backendDomain }),
  });
}

async function agentTokenOf(
  { agentToken: given, agentTokenFile: path }: AgentFlags,
  apiUrl: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<Outcome<Pick<AgentSettings, "apiUrl" | "account" | "agentToken">>> {
  if (given !== undefined && path !== undefined) return twice("agent token", "--agent-token");
  const read = path === undefined ? done(given === undefined ? [] : [given]) : await secretsIn(path);
  if (!read.ok) return read;
  const settings = await resolveSettings(agentToken, { apiUrl, secret: read.value[0] }, env);
  if (!settings.ok) return settings;
  const { secret } = settings.value;
  const account = read.value.length > 1 ? undefined : parseAccessToken(secret)?.account;
  return account === undefined
    ? usageFailure("the agent token is malformed: it looks like <account>_<id>.<secret>")
    : done({ apiUrl: settings.value.apiUrl, account, agentToken: secret });
}

async function signingSecretsOf({
  signingSecret: given,
  signingSecretFile: path,
}: AgentFlags): Promise<Outcome<string[]>> {
  if (given !== undefined && path !== undefined) return twice("signing secret", "--signing-secret");
  const read = path === undefined ? done([given ?? []].flat().flatMap(wordsOf)) : await secretsIn(path);
  if (!read.ok) return read;
  if (read.value.length === 0) return missing("signing secret", "--signing-secret", "SLIPWAY_SIGNING_SECRET");
  return read.value.every((secret) => signingSecret.safeParse(secret).success)
    ? read
    : usageFailure("the signing secret is malformed: it looks like whsec_<base64>");
}

function runtimeOf(flags: AgentFlags, env: NodeJS.ProcessEnv): Outcome<RuntimeChoice> {
  const { dockerNetwork: network, readOnly, mountBase } = flags;
  if (flags.runtime === "process") {
    const dockerOnly = [flags.dockerHost, network, readOnly || undefined, mountBase];
    return dockerOnly.every((option) => option === undefined)
      ? done({ kind: "process" })
      : usageFailure(
          "--docker-host, --docker-network, --read-only and --mount-base are for --runtime docker: processes are not isolated",
        );
  }
  const place = flags.dockerHost ?? (env.DOCKER_HOST || undefined);
  const engine = place === undefined ? done(undefined) : parseDockerHost(place);
  if (!engine.ok) return engine;
  return done({
    kind: "docker",
    ...(engine.value && { engine: engine.value }),
    ...(network === undefined ? {} : { network }),
    ...(readOnly === undefined ? {} : { readOnly }),
    ...(mountBase === undefined ? {} : { mountBase }),
  });
}

/** The secrets in a file, a line each. */
async function secretsIn(path: string): Promise<Outcome<string[]>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    return usageFailure(`a secret cannot be read: ${messageOf(error)}`);
  }
  const secrets = wordsOf(text);
  return secrets.length > 0 ? done(secrets) : usageFailure(`${path} holds no secret`);
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

function missing(what: string, option: string, variable: string): Outcome<never> {
  return usageFailure(`no ${what}: give ${option} or set ${variable}`);
}

function twice(what: string, option: string): Outcome<never> {
  return usageFailure(`two places give the ${what}: use either ${option} or ${option}-file`);
}
