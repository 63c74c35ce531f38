import { setTimeout as elapse } from "node:timers/promises";
import type { DiskMarks } from "../domain/disk/disk-space.ts";
import { parseAccessToken } from "../protocol/tokens/access-token.ts";
import { Backends } from "./backends/backends.ts";
import { openJournal } from "./backends/journal.ts";
import { type AgentClock, agentClock } from "./clock.ts";
import { bootId } from "./control-plane/boot-id.ts";
import { slipwayClient } from "./control-plane/client.ts";
import { startHeartbeat } from "./control-plane/heartbeat.ts";
import { ClusterLease, leaseAfterRestart } from "./control-plane/lease.ts";
import { leaseFileIn, readLease, writeLease } from "./control-plane/lease-file.ts";
import { statusReporter } from "./control-plane/reporter.ts";
import type { DiskMeter } from "./disk/disk.ts";
import { diskKeeper } from "./disk/disk-keeper.ts";
import { GuardKeeper } from "./guard/guard-keeper.ts";
import { type Log, messageOf } from "./log.ts";
import { backendUrl, parseBackendDomain } from "./proxy/backend-url.ts";
import { backendProxy } from "./proxy/proxy.ts";
import { verificationKeys } from "./proxy/verification-keys.ts";
import type { Runtime } from "./runtimes/runtime.ts";
import { healthAnswer } from "./server/health.ts";
import { outputEndpoints } from "./server/output-endpoints.ts";
import { type AgentRoutes, type AgentServer, listen } from "./server/server.ts";
import { handleWebhook, type WebhookOptions } from "./server/webhook.ts";
import { webhookVerifier } from "./server/webhook-verification.ts";

/** This program's version, as heartbeats and `/healthz` have it. */
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
  /** The folder of the agent's journal. It belongs to this agent alone; made where it does not exist. */
  stateDir: string;
  /** 127.0.0.1 where it is left out. */
  host?: string;
  /** 0 takes a free one. */
  port: number;
  /** Where clients reach this agent, if not at the address that it listens on. */
  publicUrl?: string;
  /**
   * Gives each backend the host `<backend id>.<domain>`, which must lead here; the URLs of backends have the scheme
   * and the port of `publicUrl`. Where it is left out, the path names the backend.
   */
  backendDomain?: string;
  /** Names this agent among those of the cluster; one that `stateDir` keeps where it is left out. */
  agentId?: string;
  /**
   * Has a guard beside it, a process that outlives this one and ends backends with keys in its place. Left out where the
   * control plane ends with the agent.
   */
  guard?: {
    /** What starts this agent, for the guard to start it again when it has crashed; empty where a supervisor does. */
    command: readonly string[];
  };
  /** How full the disk may be. */
  diskMarks?: Partial<DiskMarks>;
  /** This machine's disks where it is left out. */
  diskMeter?: DiskMeter;
  log: Log;
  clock?: Partial<AgentClock>;
}

export interface Agent {
  /** Where it listens, without a slash at the end; its webhook is `/webhook` below it. */
  url: string;
  /**
   * Refuses spawns from now on and stops. `end`, the default, ends every backend, softly at first, and delivers what it
   * can of the reports; `keep` leaves backends and reports to the next start over this state. Resolves when the agent
   * has stopped. The first call decides.
   */
  close(options?: { backends: "end" | "keep" }): Promise<void>;
  /** For a process that ends at once: has its guard watch what is left, or ends that too. Returns when that is written down. */
  leave(what: "end" | "keep"): void;
}

/**
 * Starts a cluster's agent: it serves the cluster's webhook, runs backends, reports on them and proxies
 * connections to them. First adopts the backends of an earlier start over the same state. Rejects, without any change,
 * for invalid options, an unusable journal, a runtime that cannot list its backends, or an address that it cannot
 * listen on.
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { apiUrl, agentToken, cluster, stateDir, log } = options;
  const account = options.account ?? parseAccessToken(agentToken)?.account;
  if (account === undefined) throw new Error("the agent token names no account: is it complete?");
  const clock = { ...agentClock, ...options.clock };
  const backendDomain =
    options.backendDomain === undefined ? null : parseBackendDomain(options.backendDomain);
  const verify = webhookVerifier(options.signingSecrets);
  const closing = new AbortController();

  const journal = openJournal(stateDir, { account, cluster, agentId: options.agentId });
  const client = slipwayClient({ apiUrl, agentToken, timeoutMs: clock.callTimeoutMs });
  const leaseFile = leaseFileIn(stateDir);
  const boot = bootId();
  const lease = new ClusterLease({
    lease: leaseAfterRestart(readLease(leaseFile) ?? journal.lease(), boot),
    now: clock.sinceBootMs,
    keep: (held) => writeLease(leaseFile, { ...held, boot }),
    fence: () => backends.fence(),
    isFencing: () => backends.isFencing,
    log,
  });
  const look = () => void lease.check();
  const reporter = statusReporter({ client, clock, look, log });
  const disk = diskKeeper({
    runtime: options.runtime,
    stateDir,
    marks: options.diskMarks,
    meter: options.diskMeter,
    everyMs: clock.imageGcEveryMs,
    inUse: () => backends.images(),
    isKnown: (backendId) => backends.isKnown(backendId),
    log,
  });
  const { runtime } = disk.images;
  const { whyNoRoom } = disk;
  const backends = new Backends({ runtime, clock, log, journal, reporter, lease, whyNoRoom });
  const keys = verificationKeys({ apiUrl, clock, log });
  const proxy = backendProxy({ account, cluster, backends, keys, backendDomain, clock, log });
  const urlsBehind = (serverUrl: string) => (backendId: string) =>
    backendUrl(backendId, options.publicUrl ?? serverUrl, backendDomain);
  const routesAt = (serverUrl: string): AgentRoutes => {
    const urlOf = urlsBehind(serverUrl);
    const webhook: WebhookOptions = {
      verify,
      account,
      cluster,
      backends,
      lease,
      urlOf,
      runtime,
      announce: (pinned) => disk.images.announce(pinned),
      closing: closing.signal,
      log,
    };
    return {
      webhook: (body, headers) => handleWebhook(webhook, body, headers),
      health: () =>
        healthAnswer({ cluster, agentId: journal.agentId, version: agentVersion, backends, lease }),
      output: outputEndpoints({ verify, backends, log }),
      proxy,
      look,
      log,
    };
  };
  const leaseChecks = setInterval(look, clock.leaseCheckEveryMs);
  let server: AgentServer;
  try {
    // Before anything runs under it: an earlier version has kept it elsewhere.
    lease.grants();
    await backends.adopt();
    await disk.measure();
    server = await listen({ host: options.host ?? "127.0.0.1", port: options.port }, routesAt);
  } catch (error) {
    clearInterval(leaseChecks);
    await backends.releaseAll();
    journal.close();
    throw error;
  }
  backends.startReporting(urlsBehind(server.url));

  const { agentId } = journal;
  const { guarded, watchesLease } = runtime.fencing;
  const guard =
    options.guard && guarded && process.platform === "linux"
      ? new GuardKeeper({
          stateDir,
          runtime: guarded,
          ...options.guard,
          onChange: () => void heartbeat.beatNow(),
          log,
        })
      : null;
  const fence = () => (watchesLease || guard?.isAlive ? {} : { fence: "proof" as const });
  let isLeaving = false;
  const heartbeat = startHeartbeat({
    client,
    everyMs: clock.heartbeatEveryMs,
    body: () => {
      look();
      void disk.measure();
      return {
        cluster,
        agent_id: agentId,
        version: agentVersion,
        ...(backends.draining ? { draining: true } : {}),
        ...(isLeaving ? { leaving: true } : {}),
        ...fence(),
        ...disk.measured(),
      };
    },
    list: () => backends.list(),
    now: clock.sinceBootMs,
    onAnswer: ({ lease_seconds, terminate, unknown }, sentAtMs) => {
      lease.renew({ sentAtMs, forMs: lease_seconds * 1000 });
      if (terminate.length === 0) return;
      log("heartbeat.terminate", { backends: terminate, unknown });
      backends.terminateUnwanted(terminate);
    },
    log,
  });
  guard?.start();
  disk.images.start();
  log("agent.started", { account, cluster, agent_id: agentId, url: server.url, is_leased: lease.check() });

  /** Never rejects. */
  async function clearUp(what: "end" | "keep"): Promise<void> {
    await disk.images.close();
    if (what === "keep") return;
    try {
      await runtime.clear({ isKnown: (backendId) => backends.isKnown(backendId), isClosing: true });
    } catch (error) {
      log("leftovers.not_removed", { error: messageOf(error) });
    }
  }

  async function close(what: "end" | "keep"): Promise<void> {
    closing.abort();
    guard?.announceStop();
    backends.refuseSpawns();
    if (what === "end") {
      void heartbeat.beatNow();
      await backends.endAll(clock.closeGraceMs);
    } else {
      // First: a webhook that is accepted from now on would not be acted on.
      await server.close();
      await backends.releaseAll();
      isLeaving = true;
      await Promise.race([heartbeat.beatNow(), elapse(clock.closeFlushMs, null, { ref: false })]);
    }
    await reporter.close(what === "end" ? clock.closeFlushMs : 0);
    await Promise.race([clearUp(what), elapse(clock.closeFlushMs, null, { ref: false })]);
    clearInterval(leaseChecks);
    await heartbeat.stop();
    await server.close();
    await guard?.close(what);
    journal.close();
    log("agent.closed", { agent_id: agentId });
  }
  let closed: Promise<void> | undefined;
  return {
    url: server.url,
    leave: (what) => guard?.leave(what),
    close: (how = { backends: "end" }) => {
      closed ??= close(how.backends);
      return closed;
    },
  };
}
