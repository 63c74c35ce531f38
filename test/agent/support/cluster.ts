import { createHash, randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { Webhook } from "standardwebhooks";
import { expect, onTestFinished, vi } from "vitest";
import { type AgentOptions, startAgent } from "../../../src/agent/agent.ts";
import type { ImageCommands } from "../../../src/agent/images/image-store.ts";
import type { Log } from "../../../src/agent/log.ts";
import type { Runtime, StartSpec } from "../../../src/agent/runtime.ts";
import { processRuntime } from "../../../src/agent/runtimes/process.ts";
import { fail, ok } from "../../../src/domain/result.ts";
import { formatAccessToken } from "../../../src/protocol/access-token.ts";
import { formatSigningSecret } from "../../../src/protocol/webhook-signature.ts";
import { eventually } from "./eventually.ts";
import { startFakeSlipway } from "./fake-slipway.ts";

// Real processes on a busy machine: a bound for giving up, not a measure.
vi.setConfig({ testTimeout: 40_000 });

export const agentToken = formatAccessToken({ account: "acme", id: "0123456789ab", secret: "s".repeat(43) });
export const signingSecret = formatSigningSecret(new Uint8Array(32).fill(7));

const program = fileURLToPath(new URL("../fixtures/backend.ts", import.meta.url));

/** The images that the process runtime of the tests knows: what the fixture's behaviours are called. */
const behaviours = {
  serve: [],
  "exit-3": ["exit", "3"],
  "exit-later": ["exit-later", "7"],
  "ignore-sigterm": ["ignore-sigterm"],
  "exit-on-sigterm": ["exit-on-sigterm", "5"],
  "never-listen": ["never-listen"],
  grandchild: ["grandchild"],
} as const;
export type ImageName = keyof typeof behaviours | "unknown" | "missing-program";

export function digestOf(image: ImageName): string {
  return `sha256:${createHash("sha256").update(image).digest("hex")}`;
}

export const fixtureImages: ImageCommands = async ({ digest }) => {
  if (digest === digestOf("missing-program")) return ok({ command: ["/nowhere/to/be/found"] });
  for (const name of Object.keys(behaviours) as (keyof typeof behaviours)[]) {
    if (digestOf(name) !== digest) continue;
    return ok({
      command: [process.execPath, program, ...behaviours[name]],
      env: { FROM_IMAGE: "image", OVERRIDDEN: "image" },
    });
  }
  return fail("image_not_found", `there is no image ${digest}`);
};

let spawned = 0;

/** The data of a `backend.spawn` with an id of its own. */
export function spawnData(image: ImageName = "serve", changes: Record<string, unknown> = {}) {
  const id = `k3f9q${String(++spawned).padStart(8, "0")}`;
  const digest = digestOf(image);
  return {
    backend_id: id,
    account: "acme",
    service: "hello",
    environment: "prod",
    cluster: "eu-prod",
    image: {
      reference: `registry.example.com/acme/hello@${digest}`,
      repository: "registry.example.com/acme/hello",
      digest,
      tag: "v12",
    },
    pin: { image: "v12", revision: 7 },
    key: "doc-123" as string | null,
    fencing_token: 4711,
    env: {} as Record<string, string>,
    limits: { startup_timeout_seconds: 60, max_idle_seconds: 0 },
    secret_token: "the backend's secret",
    ...changes,
  };
}

export interface Delivery {
  secret?: string;
  id?: string;
  sentAt?: Date;
}

/** The headers of Standard Webhooks, made by its own library. */
export function signatureHeaders(
  body: string,
  { secret = signingSecret, id = `msg_${randomUUID()}`, sentAt = new Date() }: Delivery = {},
) {
  return {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(sentAt.getTime() / 1000)),
    "webhook-signature": new Webhook(secret).sign(id, sentAt, body),
  };
}

/** A fake Slipway and an agent that runs real processes; both end with the test. */
export async function startCluster(options: Partial<AgentOptions> & { images?: ImageCommands } = {}) {
  const slipway = await startFakeSlipway();
  onTestFinished(async () => {
    await slipway.close();
    expect(slipway.malformed).toEqual([]);
  });
  const { images = fixtureImages, ...overrides } = options;
  const processes = processRuntime({ images });
  const starts: StartSpec[] = [];
  const pulls: string[] = [];
  const runtime: Runtime = {
    pull(image, signal) {
      pulls.push(image.digest);
      return processes.pull(image, signal);
    },
    start(spec) {
      starts.push(spec);
      return processes.start(spec);
    },
    stop: processes.stop,
  };
  const events: { event: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const log: Log = (event, fields = {}) => events.push({ event, fields });
  const agent = await startAgent({
    apiUrl: slipway.url,
    cluster: "eu-prod",
    agentToken,
    signingSecrets: [signingSecret],
    runtime,
    port: 0,
    log,
    ...overrides,
    clock: {
      readyPollEveryMs: 10,
      reportRetryFirstMs: 5,
      reportRetryLongestMs: 20,
      heartbeatEveryMs: 20,
      closeGraceMs: 200,
      closeFlushMs: 200,
      ...overrides.clock,
    },
  });
  onTestFinished(() => agent.close());

  const cluster = {
    slipway,
    agent,
    starts,
    pulls,
    events,
    /** POSTs a signed webhook. */
    deliver(type: string, data: unknown, delivery: Delivery = {}) {
      const body = JSON.stringify({ type, timestamp: new Date().toISOString(), data });
      const headers = signatureHeaders(body, delivery);
      return fetch(`${agent.url}/webhook`, { method: "POST", headers, body });
    },
    /** Spawns a backend. @returns its id */
    async spawn(image: ImageName = "serve", changes: Record<string, unknown> = {}): Promise<string> {
      const data = spawnData(image, changes);
      const response = await cluster.deliver("backend.spawn", data);
      expect(response.status).toBe(200);
      return data.backend_id;
    },
    async spawnReady(image: ImageName = "serve", changes: Record<string, unknown> = {}): Promise<string> {
      const id = await cluster.spawn(image, changes);
      await cluster.reached(id, "ready");
      return id;
    },
    terminate(id: string, hard: boolean) {
      return cluster.deliver("backend.terminate", { backend_id: id, hard, reason: "external" });
    },
    /** Resolves once Slipway has acknowledged a report of this status. */
    async reached(id: string, status: string): Promise<void> {
      await eventually(() => slipway.statusesOf(id)).toContain(status);
    },
    /** The acknowledged report of the end, once there is one. */
    async end(id: string) {
      await cluster.reached(id, "terminated");
      return slipway.acknowledged(id).at(-1);
    },
    /** The address of a path of a backend, with a token that is good. */
    async address(id: string, path: string, grant: Parameters<typeof slipway.token>[1] = {}) {
      return `${agent.url}/${id}/${await slipway.token(id, grant)}${path}`;
    },
    async get(id: string, path: string): Promise<unknown> {
      const response = await fetch(await cluster.address(id, path));
      expect(response.status).toBe(200);
      return response.json();
    },
  };
  return cluster;
}

export type TestCluster = Awaited<ReturnType<typeof startCluster>>;
