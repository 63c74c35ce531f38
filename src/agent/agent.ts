import { randomUUID } from "node:crypto";
import { parseAccessToken } from "../protocol/access-token.ts";
import { Backends } from "./backends.ts";
import { type AgentClock, agentClock } from "./clock.ts";
import { connectionKeys } from "./connection-keys.ts";
import { connectionProxy } from "./connection-proxy.ts";
import { startHeartbeat } from "./heartbeat.ts";
import type { Log } from "./log.ts";
import { statusReporter } from "./reporter.ts";
import type { Runtime } from "./runtime.ts";
import { listen } from "./server.ts";
import { slipwayClient } from "./slipway-client.ts";
import { handleWebhook } from "./webhook.ts";
import { webhookVerifier } from "./webhook-verification.ts";

/** What the heartbeat tells Slipway of this program. */
const agentVersion = "0.1.0";

export interface AgentOptions {
  /** Where Slipway is. */
  apiUrl: string;
  cluster: string;
  /** Taken from the agent token where it is left out. */
  account?: string;
  agentToken: string;
  /** The secrets that webhooks may be signed with: two while one is being rotated. */
  signingSecrets: string[];
  runtime: Runtime;
  /** 127.0.0.1 where it is left out. */
  host?: string;
  /** 0 takes a free one. */
  port: number;
  /** Where clients reach this agent, if not at the address that it listens on. */
  publicUrl?: string;
  /** Names this agent among those of the cluster; a new name for each start where it is left out. */
  agentId?: string;
  log: Log;
  clock?: Partial<AgentClock>;
}

export interface Agent {
  /** Where it listens, without a slash at the end; its webhook is `/webhook` below it. */
  url: string;
  /** Ends every backend, delivers what it can of the reports, and resolves when nothing is left. */
  close(): Promise<void>;
}

/**
 * Starts a cluster's agent: it serves the cluster's webhook, runs backends, reports on them and proxies
 * connections to them. Rejects for unusable options or an address that it cannot listen on.
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { apiUrl, agentToken, cluster, runtime, log } = options;
  const account = options.account ?? parseAccessToken(agentToken)?.account;
  if (account === undefined) throw new Error("the agent token names no account: is it complete?");
  const clock = { ...agentClock, ...options.clock };
  const verify = webhookVerifier(options.signingSecrets);
  const closing = new AbortController();

  const client = slipwayClient({ apiUrl, agentToken, timeoutMs: clock.callTimeoutMs });
  const reporter = statusReporter({ client, clock, log });
  let publicUrl = options.publicUrl ?? "";
  const backends = new Backends({
    runtime,
    clock,
    log,
    reporter,
    urlOf: (backendId) => `${publicUrl}/${backendId}`,
  });
  const keys = connectionKeys({ apiUrl, clock, log });
  const webhook = { verify, account, cluster, backends, runtime, closing: closing.signal, log };
  const server = await listen(
    {
      webhook: (body, headers) => handleWebhook(webhook, body, headers),
      connections: connectionProxy({ account, cluster, backends, keys, clock, log }),
      log,
    },
    { host: options.host ?? "127.0.0.1", port: options.port },
  );
  publicUrl = (options.publicUrl ?? server.url).replace(/\/+$/, "");

  const agentId = options.agentId ?? randomUUID();
  const stopHeartbeat = startHeartbeat({
    client,
    everyMs: clock.heartbeatEveryMs,
    body: () => ({
      cluster,
      agent_id: agentId,
      version: agentVersion,
      backends: backends.list(),
      ...(backends.draining ? { draining: true } : {}),
    }),
    onTerminate: (backendIds) => backends.terminateUnwanted(backendIds),
    log,
  });
  log("agent.started", { account, cluster, agent_id: agentId, url: server.url });

  async function close(): Promise<void> {
    closing.abort();
    await backends.drain(clock.closeGraceMs);
    await reporter.close(clock.closeFlushMs);
    await stopHeartbeat();
    await server.close();
    log("agent.closed", { agent_id: agentId });
  }
  let closed: Promise<void> | undefined;
  return {
    url: server.url,
    close: () => {
      closed ??= close();
      return closed;
    },
  };
}
