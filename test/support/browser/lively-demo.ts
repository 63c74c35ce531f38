import { vi } from "vitest";
import { z } from "zod";
import { pushImage } from "../../../src/local/push-image.ts";
import { connectAnswer } from "../../../src/protocol/jamsocket/v2.ts";
import { heartbeatAnswer } from "../../../src/protocol/v3/agent.ts";
import { backend } from "../../../src/protocol/v3/backends.ts";
import { createdCluster } from "../../../src/protocol/v3/clusters.ts";
import { environment, pinAnswer } from "../../../src/protocol/v3/services.ts";
import { call, connectToDemo, untilStatus } from "../api.ts";
import { startRecordingCluster } from "../clusters/recording-cluster.ts";
import { talkativeImage } from "../docker/talkative-image.ts";
import type { PageTests } from "./page-tests.ts";

const service = "/v3/accounts/demo/services/hello-world";

/** Every page, by what is to be seen on it. */
export const livelyPageNames = [
  "login",
  "services",
  "service",
  "environment",
  "environment-preview",
  "images",
  "image",
  "backends",
  "backends-ended",
  "backend",
  "backend-ended",
  "backend-held",
  "clusters",
  "cluster",
  "cluster-failing",
  "events",
  "settings",
  "empty-services",
  "empty-clusters",
  "empty-service",
  "empty-environment",
  "empty-images",
  "empty-backends",
  "not-found",
] as const;
export type LivelyPageName = (typeof livelyPageNames)[number];

/** A page to look at, and the token that it is looked at with; null before anybody has logged in. */
export interface LivelyPage {
  name: LivelyPageName;
  path: string;
  token: string | null;
}

/**
 * Does in the demo what people do in a day: spawns, with and without keys, ends, pins with notes, tokens, a delivery
 * that failed. @returns every page, with what there is to see on it and with nothing
 */
export async function liven({ local, createAccount, createToken }: PageTests): Promise<LivelyPage[]> {
  const owner = local();
  const { api_url: apiUrl, account, token } = owner;
  const labels = {
    "org.opencontainers.image.title": "hello-world",
    "org.opencontainers.image.source": "https://git.example.com/acme/hello-world",
    "org.opencontainers.image.revision": "9f2c1e07d35b8a46",
  };
  const repository = { apiUrl, account, service: "hello-world", token };
  const digest = await pushImage(repository, talkativeImage(labels), ["v3-rc1", "nightly"]);

  await using held = await holdKey(owner, digest);
  const pin = (name: string, image: string, note: string) =>
    call(owner, pinAnswer, `${service}/environments/${name}/pin`, { method: "PUT", json: { image, note } });
  const says = { SAYS: "room 4711 opened\nloaded document from storage in 38 ms\nwaiting for people" };
  const talking = { tag: "nightly", executable: { env: says } };
  const live = await connectToDemo(owner, "prod", { key: "document-17", spawn: talking });
  await connectToDemo(owner, "prod", { key: "document-23" });
  await connectToDemo(owner, "prod");
  const ended = await connectToDemo(owner, "staging", { key: "review-4" });
  await pin("staging", "nightly", "try the new editor");
  await pin("staging", "v2", "back: it loses notes");
  await pin("staging", "v3-rc1", "release candidate");
  await connectToDemo(owner, "staging");
  await end(owner, ended.backend_id);

  await call(owner, z.unknown(), `/v3/accounts/${account}/clusters`, {
    json: { name: "eu-broken", webhook_url: "http://127.0.0.1:9/webhook" },
  });
  await call(owner, environment, `${service}/environments`, {
    json: { name: "preview", cluster: "eu-broken", image: "nightly" },
  });
  await spawnInVain(owner);
  await createToken({
    role: "deploy",
    rights: ["check"],
    name: "continuous integration",
    service: "hello-world",
  });
  await createToken({ role: "read", name: "dashboard on the wall", expires_in_seconds: 86_400 });
  await call(owner, z.unknown(), `/v3/accounts/${account}/services`, { json: { name: "bare" } });
  const stranger = await createAccount("newcomers");

  await held.since();

  const hello = "/service/demo/hello-world";
  const bare = "/service/demo/bare";
  const pages: Record<LivelyPageName, Omit<LivelyPage, "name">> = {
    login: { path: "/login", token: null },
    services: { path: "/", token },
    service: { path: hello, token },
    environment: { path: `${hello}/environment/staging`, token },
    "environment-preview": { path: `${hello}/environment/prod?image=v3-rc1`, token },
    images: { path: `${hello}/images`, token },
    image: { path: `${hello}/images/${digest}`, token },
    backends: { path: `${hello}/backends`, token },
    "backends-ended": { path: `${hello}/backends?status=ended`, token },
    backend: { path: `/backend/${live.backend_id}`, token },
    "backend-ended": { path: `/backend/${ended.backend_id}`, token },
    "backend-held": { path: `/backend/${held.id}`, token },
    clusters: { path: "/clusters", token },
    cluster: { path: "/clusters/local-prod", token },
    "cluster-failing": { path: "/clusters/eu-broken", token },
    events: { path: "/events", token },
    settings: { path: "/settings", token },
    "empty-services": { path: "/", token: stranger },
    "empty-clusters": { path: "/clusters", token: stranger },
    "empty-service": { path: bare, token },
    "empty-environment": { path: `${bare}/environment/default`, token },
    "empty-images": { path: `${bare}/images`, token },
    "empty-backends": { path: `${bare}/backends`, token },
    "not-found": { path: `${hello}/environment/nowhere`, token },
  };
  return livelyPageNames.map((name) => ({ name, ...pages[name] }));
}

type Owner = Parameters<typeof connectToDemo>[0];

async function end(owner: Owner, id: string): Promise<void> {
  await call(owner, z.unknown(), `/v2/backend/${id}/terminate`, { json: {} });
  await untilStatus(`${owner.api_url}/v2/backend/${id}/status`, "terminated");
}

/**
 * Spawns with a key into a cluster that needs proof of ends and reports none: half a minute after the start-up should have
 * ended, the key is held. Its agent's disk is nearly full.
 */
async function holdKey(owner: Owner, image: string) {
  const cluster = await startRecordingCluster();
  const json = { name: "us-edge", webhook_url: `${cluster.url}/webhook` };
  const { agent_token: token } = await call(owner, createdCluster, "/v3/accounts/demo/clusters", { json });
  await call({ ...owner, token }, heartbeatAnswer, "/v3/agent/heartbeat", {
    json: {
      cluster: "us-edge",
      agent_id: "us-edge-1",
      version: "0.1.0",
      backends: [],
      fence: "proof",
      disk: { free_bytes: 12_000_000_000, total_bytes: 100_000_000_000 },
    },
  });
  await call(owner, environment, `${service}/environments`, {
    json: { name: "edge", cluster: "us-edge", image, settings: { startup_timeout_seconds: 1 } },
  });
  const path = "/v2/service/demo/hello-world/edge/connect";
  const { backend_id: id } = await call(owner, connectAnswer, path, { json: { key: "document-5" } });
  return {
    id,
    /** Waits until the key is held. */
    since: () =>
      vi.waitFor(
        async () => {
          const { held_since } = await call(owner, backend, `/v3/accounts/demo/backends/${id}`);
          if (held_since === undefined) throw new Error(`the key of ${id} is not held`);
        },
        { timeout: 120_000, interval: 500 },
      ),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

/** Spawns into a cluster that nobody answers for. */
async function spawnInVain(owner: Owner): Promise<void> {
  await fetch(`${owner.api_url}/v2/service/demo/hello-world/preview/connect`, {
    method: "POST",
    headers: { authorization: `Bearer ${owner.token}` },
    body: JSON.stringify({ key: "preview-8" }),
  });
}
