import { join } from "node:path";
import { type Agent, type AgentOptions, startAgent } from "../agent/agent.ts";
import { hasCode, jsonLog } from "../agent/log.ts";
import { freePort } from "../agent/runtimes/free-port.ts";
import { agentIdIn } from "../cli/agent/run.ts";
import { agentRuntime, type RuntimeChoice } from "../cli/agent/runtime.ts";
import type { ApiClient } from "../cli/client.ts";
import { localDiskFloorPercent } from "../domain/limits.ts";
import { cluster, createdCluster } from "../protocol/v3/clusters.ts";
import { demoAccount } from "./account.ts";
import { apiClient, expectDone, unlessCode } from "./api.ts";
import { LogFile } from "./log-file.ts";
import type { ClusterState, LocalStateFile } from "./state/state.ts";

export const clusterNames = { staging: "local-staging", prod: "local-prod" } as const;

/** How long backends may take to end: a person waits at the terminal for everything to stop. */
const closeGraceMs = 5_000;

/** Addresses of a cluster whose agent listens on `port`. */
function addressesOf(port: number) {
  const url = `http://127.0.0.1:${port}`;
  return { webhook_url: `${url}/webhook`, backend_url_template: `${url}/{backend_id}` };
}

export interface ClusterSettings {
  apiUrl: string;
  token: string;
  file: LocalStateFile;
  /** Below it, each cluster's agent has its state. */
  agentsDir: string;
  logDir: string;
  runtime: RuntimeChoice;
  /** Called with a function that ends the cluster's backends at once, for a process that cannot wait. */
  onRuntime: (leave: () => void) => void;
}

/** Makes sure that a cluster is registered, and starts its agent, on the port that it had before if that is free. */
export async function startCluster(settings: ClusterSettings, name: string): Promise<Agent> {
  const api = apiClient(settings.apiUrl, settings.token, ["accounts", demoAccount]);
  const { port, credentials } = await ensureRegistered(api, settings.file, name);
  const stateDir = join(settings.agentsDir, name);
  const owner = { stateDir, account: demoAccount, cluster: name, agentToken: credentials.agent_token };
  const logFile = new LogFile(join(settings.logDir, `${name}.log`));
  const log = jsonLog((line) => logFile.append(line));
  const { runtime, leave } = agentRuntime({
    ...owner,
    agentId: agentIdIn(owner),
    choice: settings.runtime,
    apiUrl: settings.apiUrl,
    log,
  });
  settings.onRuntime(leave);
  const agent = await startOnPort({
    ...owner,
    apiUrl: settings.apiUrl,
    signingSecrets: [credentials.signing_secret],
    runtime,
    port,
    diskMarks: { floor: localDiskFloorPercent },
    log,
    clock: { closeGraceMs },
  });
  try {
    await updateAddress(api, settings.file, name, { port: Number(new URL(agent.url).port), credentials });
    return agent;
  } catch (error) {
    await agent.close();
    throw error;
  }
}

type Registered = { port: number; credentials: NonNullable<ClusterState["credentials"]> };

async function ensureRegistered(api: ApiClient, file: LocalStateFile, name: string): Promise<Registered> {
  const known = file.state.clusters[name];
  const port = known?.agent_port ?? (await freePort(portsInUse(file)));
  const existing = unlessCode(
    await api.get(["clusters", name], cluster),
    "cluster_not_found",
    `cluster \`${name}\``,
  );
  if (existing && known?.credentials) return { port, credentials: known.credentials };
  // Registered by a start that was interrupted before it had kept the secrets: nothing can use it yet.
  if (existing) expectDone(await api.delete(["clusters", name]), `cluster \`${name}\` without known secrets`);

  const created = await api.send({
    method: "POST",
    path: ["clusters"],
    body: { ok: true, value: { name, ...addressesOf(port) } },
    answer: createdCluster,
  });
  const { signing_secret, agent_token } = expectDone(created, `cluster \`${name}\``).body;
  const credentials = { signing_secret, agent_token };
  await remember(file, name, { port, credentials });
  return { port, credentials };
}

/** Points the cluster at where its agent listens now, unless its user has pointed it elsewhere. */
async function updateAddress(
  api: ApiClient,
  file: LocalStateFile,
  name: string,
  now: Registered,
): Promise<void> {
  const attempted = `the address of cluster \`${name}\``;
  const { body } = expectDone(await api.get(["clusters", name], cluster), attempted);
  const addresses = addressesOf(now.port);
  if (
    /^http:\/\/127\.0\.0\.1:\d+\/webhook$/.test(body.webhook_url) &&
    body.webhook_url !== addresses.webhook_url
  ) {
    const change = { method: "PATCH", path: ["clusters", name], answer: cluster } as const;
    expectDone(await api.send({ ...change, body: { ok: true, value: addresses } }), attempted);
  }
  if (file.state.clusters[name]?.agent_port !== now.port) await remember(file, name, now);
}

async function remember(
  file: LocalStateFile,
  name: string,
  { port, credentials }: Registered,
): Promise<void> {
  await file.update({ clusters: { ...file.state.clusters, [name]: { agent_port: port, credentials } } });
}

function portsInUse(file: LocalStateFile): Set<number> {
  return new Set(Object.values(file.state.clusters).map(({ agent_port }) => agent_port));
}

async function startOnPort(options: AgentOptions): Promise<Agent> {
  try {
    return await startAgent(options);
  } catch (error) {
    if (!hasCode(error, "EADDRINUSE")) throw error;
    return await startAgent({ ...options, port: 0 });
  }
}
