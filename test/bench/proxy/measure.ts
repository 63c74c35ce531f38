import { fileURLToPath } from "node:url";
import {
  importSigningKey,
  publicJwks,
  type SigningKeys,
  signConnectionToken,
} from "../../../src/protocol/tokens/connection-token.ts";
import { makeSigningKeys } from "../../../src/protocol/tokens/signing-keys.ts";
import { pathOf } from "../../support/programs.ts";
import { measureLoad } from "../load.ts";
import type { LoadPlan, LoadResult } from "../load-protocol.ts";
import type { Sandbox } from "../sandbox.ts";
import { median } from "../statistics.ts";
import { answerBytes, proxied } from "./protocol.ts";
import { type ProxyServer, referenceProgram, startAgent, startBackend, startReference } from "./servers.ts";

const loads = [
  { name: `GET of ${answerBytes["/small"]} B`, scheme: "http", path: "/small", message: undefined },
  { name: `GET of ${answerBytes["/large"] / 1024} KiB`, scheme: "http", path: "/large", message: undefined },
  { name: "WebSocket echo of 100 B", scheme: "ws", path: "/", message: "x".repeat(100) },
] as const;
type Load = (typeof loads)[number];

const sides = ["backend", "nginx", "agent"] as const;
type Side = (typeof sides)[number];

/** Aimed at for the throughput, as a share of the reference's. */
const minRatio = 0.5;
const warmUpMs = 1_000;
/** Each is another client's. */
const tokenCount = 100;
const echoProcess = fileURLToPath(new URL("echo-process.ts", import.meta.url));

export interface Speed {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}

export interface ProxySpeed {
  load: Load["name"];
  /** Medians of the rounds; null where the reference is not installed. */
  agent: Speed;
  nginx: Speed | null;
  backend: Speed;
  /** The medians of the rounds' own ratios of the agent's throughput. */
  ratioToBackend: number;
  ratioToNginx: number | null;
  aim: { minRatio: number; met: boolean } | null;
}

export interface ProxyComparison {
  speeds: ProxySpeed[];
  /** Why the reference was skipped; null where it was not. */
  skipped: string | null;
}

/**
 * Sends one backend the same through the agent's proxy, with signed tokens, through nginx, and directly, in turn.
 * Nothing but the load differs between the sides.
 */
export async function compareProxies(
  sandbox: Sandbox,
  options: { rounds: number; seconds: number; connections: number },
  onProgress: (text: string) => void,
): Promise<ProxyComparison> {
  const skipped =
    pathOf(referenceProgram) === null
      ? `${referenceProgram} (Debian's package nginx-light) is not on the PATH`
      : null;
  const signingKeys = await makeSigningKeys();
  await using backend = await startBackend(sandbox);
  await using agent = await startAgent(sandbox, {
    backendPort: backend.port,
    jwks: publicJwks(signingKeys),
  });
  await using nginx = skipped === null ? await startReference(sandbox, backend.port) : null;
  const prefixes = (await tokens(signingKeys)).map((token) => `/${proxied.backendId}/${token}`);
  const servers: Record<Side, { server: ProxyServer | null; prefixes: readonly string[] }> = {
    backend: { server: backend, prefixes: [""] },
    nginx: { server: nginx, prefixes: [""] },
    agent: { server: agent, prefixes },
  };
  const speeds: ProxySpeed[] = [];
  for (const load of loads) {
    const results: Record<Side, LoadResult[]> = { backend: [], nginx: [], agent: [] };
    for (let round = 1; round <= options.rounds; round++) {
      for (const side of sides) {
        const { server, prefixes } = servers[side];
        if (!server) continue;
        const plan = planOf(load, server.port, prefixes, options);
        results[side].push(await measureLoad(sandbox, plan, load.scheme === "ws" ? echoProcess : undefined));
      }
      const rates = sides.map((side) => `${side} ${results[side].at(-1)?.perSecond.toFixed(0) ?? "-"}`);
      onProgress(`proxy: ${load.name} ${round}/${options.rounds}: ${rates.join(", ")} a second`);
    }
    speeds.push(speedOf(load, results));
  }
  return { speeds, skipped };
}

async function tokens(signingKeys: SigningKeys): Promise<string[]> {
  const signer = await importSigningKey(signingKeys);
  const grantedAt = Date.now();
  return Promise.all(
    Array.from({ length: tokenCount }, (_, i) =>
      signConnectionToken(signer, { issuer: "bench", ...proxied, grantedAt, user: `user-${i}` }),
    ),
  );
}

function planOf(
  { scheme, path, message }: Load,
  port: number,
  prefixes: readonly string[],
  { seconds, connections }: { seconds: number; connections: number },
): LoadPlan {
  return {
    origin: `${scheme}://127.0.0.1:${port}`,
    connections,
    warmUpMs,
    measureMs: seconds * 1000,
    requests: prefixes.map((prefix) => ({
      method: "GET",
      path: prefix + path,
      headers: {},
      ...(message === undefined ? {} : { body: message }),
    })),
  };
}

function speedOf({ name }: Load, results: Record<Side, readonly LoadResult[]>): ProxySpeed {
  const ratioTo = (side: Side) =>
    median(
      results.agent.map(
        ({ perSecond }, round) => perSecond / (results[side][round]?.perSecond ?? Number.NaN),
      ),
    );
  const hasReference = results.nginx.length > 0;
  const ratioToNginx = hasReference ? ratioTo("nginx") : null;
  return {
    load: name,
    agent: medians(results.agent),
    nginx: hasReference ? medians(results.nginx) : null,
    backend: medians(results.backend),
    ratioToBackend: ratioTo("backend"),
    ratioToNginx,
    aim: ratioToNginx === null ? null : { minRatio, met: ratioToNginx >= minRatio },
  };
}

function medians(results: readonly LoadResult[]): Speed {
  return {
    perSecond: median(results.map(({ perSecond }) => perSecond)),
    p50Ms: median(results.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(results.map(({ p99Ms }) => p99Ms)),
  };
}
