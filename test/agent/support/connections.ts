import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Server as NetServer } from "node:net";
import { onTestFinished, vi } from "vitest";
import { agentClock } from "../../../src/agent/clock.ts";
import type { ProxiedBackend } from "../../../src/agent/proxy/admission.ts";
import { parseBackendDomain } from "../../../src/agent/proxy/backend-url.ts";
import { backendProxy } from "../../../src/agent/proxy/proxy.ts";
import type { Address } from "../../../src/agent/runtimes/runtime.ts";
import { listen } from "../../../src/agent/server/server.ts";
import { type BackendStatus, nextEntry, type StatusEntry } from "../../../src/domain/backends/status.ts";
import {
  type ConnectionGrant,
  importSigningKey,
  type Jwks,
  publicJwks,
  signConnectionToken,
} from "../../../src/protocol/tokens/connection-token.ts";
import { makeSigningKeys } from "../../../src/protocol/tokens/signing-keys.ts";

// A busy machine: a bound for giving up, not a measure.
vi.setConfig({ testTimeout: 40_000 });

export const backendId = "k3f9q7h3kq2m9";
/** The `secret_token` of its spawn. */
export const spawnSecret = "the backend's secret";

export interface TestBackend extends ProxiedBackend {
  address: Address | null;
  mayRun: boolean;
  history: StatusEntry[];
  /** How many connections are counted as open. */
  connections: number;
  /** Enters a status, with port or reason where that changes. */
  enter(status: BackendStatus, change?: { port?: number; reason?: StatusEntry["termination_reason"] }): void;
}

/** @param port on 127.0.0.1, null for one that is not ready */
export function testBackend(port: number | null, spawn: Partial<ProxiedBackend["spawn"]> = {}): TestBackend {
  const readiness = Promise.withResolvers<boolean>();
  const addressOf = (portOfBackend: number) => ({ host: "127.0.0.1", port: portOfBackend });
  const backend: TestBackend = {
    spawn: { secret_token: spawnSecret, ...spawn },
    address: port === null ? null : addressOf(port),
    mayRun: true,
    history: [{ status: port === null ? "waiting" : "ready", time: 1 }],
    connections: 0,
    whenReady: async (ms) => {
      const late = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => late.resolve(false), ms);
      return Promise.race([readiness.promise, late.promise]).finally(() => clearTimeout(timer));
    },
    openConnection() {
      backend.connections++;
      return () => backend.connections--;
    },
    enter(status, { port, reason } = {}) {
      const entry = nextEntry(backend.history, { status, termination_reason: reason }, 1);
      if (entry) backend.history.push(entry);
      if (status === "terminated") backend.address = null;
      else if (port !== undefined) backend.address = addressOf(port);
      readiness.resolve(status === "ready");
    },
  };
  return backend;
}

/** The agent's server with nothing behind it but its proxy and a table of backends. It ends with the test. */
export async function startConnections(
  options: { backendDomain?: string; connectionWaitMs?: number; clientPingEveryMs?: number } = {},
) {
  let signingKeys = await makeSigningKeys();
  let keys: Jwks | null = publicJwks(signingKeys);
  const backends = new Map<string, TestBackend>();
  /** Those that the agent remembers the end of. */
  const ended = new Set<string>();
  const logged: string[] = [];
  const server = await listen({ host: "127.0.0.1", port: 0 }, () => ({
    webhook: () => ({ status: 200, body: { agent: true } }),
    health: () => ({ status: 200, body: { status: "ok" } }),
    output: () => ({ status: 404 }),
    proxy: backendProxy({
      account: "acme",
      cluster: "eu-prod",
      backends: { get: (id) => backends.get(id), hasEnded: (id) => ended.has(id) },
      keys: { current: () => keys, forKeyId: async () => keys },
      backendDomain: options.backendDomain === undefined ? null : parseBackendDomain(options.backendDomain),
      clock: { connectionWaitMs: 10_000, clientPingEveryMs: agentClock.clientPingEveryMs, ...options },
      log: (event, fields) => logged.push(`${event} ${JSON.stringify(fields)}`),
    }),
    look: () => undefined,
    log: (event, fields) => logged.push(`${event} ${JSON.stringify(fields)}`),
  }));
  onTestFinished(() => server.close());
  const connections = {
    url: server.url,
    port: Number(new URL(server.url).port),
    backends,
    ended,
    logged,
    rotateKeys: async () => {
      signingKeys = await makeSigningKeys();
      keys = publicJwks(signingKeys);
    },
    /** From now on there are none to check tokens with. */
    loseKeys: () => {
      keys = null;
    },
    token: async (grant: Partial<ConnectionGrant> = {}) =>
      signConnectionToken(await importSigningKey(signingKeys), {
        issuer: "https://slipway.test",
        account: "acme",
        cluster: "eu-prod",
        backendId,
        grantedAt: Date.now(),
        ...grant,
      }),
    /** `/<backend id>/<token>`, to which a path can be added. */
    path: async (grant: Partial<ConnectionGrant> = {}) => `/${backendId}/${await connections.token(grant)}`,
    /** Puts a backend that is ready at `port` into the table. */
    serve(port: number, spawn: Partial<ProxiedBackend["spawn"]> = {}): TestBackend {
      const backend = testBackend(port, spawn);
      backends.set(backendId, backend);
      return backend;
    },
  };
  return connections;
}

export type Connections = Awaited<ReturnType<typeof startConnections>>;

/** Listens on a free port until the test ends. */
export async function listenOn(server: NetServer, host = "127.0.0.1"): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  onTestFinished(() => void server.close());
  const address = server.address() as AddressInfo;
  return address.port;
}

/** An HTTP server of the test's own making. It ends with the test, whatever is still open. */
export async function startHttpBackend(listener: RequestListener): Promise<{ server: Server; port: number }> {
  const server = createServer(listener);
  onTestFinished(() => server.closeAllConnections());
  return { server, port: await listenOn(server) };
}
