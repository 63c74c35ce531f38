import { expect, test } from "vitest";
import {
  formatSigningSecret,
  importSigningSecret,
  signWebhook,
} from "../../../src/protocol/webhooks/signature.ts";
import {
  digestOf,
  fixtureImages,
  signatureHeaders,
  signingSecret,
  spawnData,
  startCluster,
} from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { gate } from "../support/gate.ts";

const otherSecret = formatSigningSecret(new Uint8Array(32).fill(9));
const minuteMs = 60_000;

test("a webhook with a good signature is handled", async () => {
  const cluster = await startCluster();
  expect((await cluster.deliver("cluster.ping", { cluster: "eu-prod" })).status).toBe(200);
});

test("while a secret is rotated, a signature by either is good", async () => {
  const cluster = await startCluster({ signingSecrets: [otherSecret, signingSecret] });
  for (const secret of [otherSecret, signingSecret]) {
    expect((await cluster.deliver("cluster.ping", { cluster: "eu-prod" }, { secret })).status).toBe(200);
  }
});

const rotated: [which: string, secret: string][] = [
  ["the new one", signingSecret],
  ["the one before", otherSecret],
];
test.for(rotated)(
  "while a secret is rotated, an agent that knows only %s takes what is signed with both",
  async ([, known]) => {
    const cluster = await startCluster({ signingSecrets: [known] });
    const body = JSON.stringify({
      type: "cluster.ping",
      timestamp: "2026-01-01T00:00:00Z",
      data: { cluster: "eu-prod" },
    });
    const keys = await Promise.all([signingSecret, otherSecret].map(importSigningSecret));
    const headers = { ...(await signWebhook(keys, "msg_1", Math.floor(Date.now() / 1000), body)) };
    expect(headers["webhook-signature"].split(" ")).toHaveLength(2);
    const response = await fetch(`${cluster.agent.url}/webhook`, { method: "POST", headers, body });
    expect(response.status).toBe(200);
  },
);

test("a webhook signed with another secret is refused with 401 and starts nothing", async () => {
  const cluster = await startCluster();
  const data = spawnData();
  const response = await cluster.deliver("backend.spawn", data, { secret: otherSecret });
  expect(response.status).toBe(401);
  expect(await response.json()).toEqual({ error: { message: expect.stringContaining("signature") } });
  expect((await cluster.terminate(data.backend_id, true)).status).toBe(404);
});

test("a webhook without signature headers is refused with 401", async () => {
  const cluster = await startCluster();
  const response = await fetch(`${cluster.agent.url}/webhook`, { method: "POST", body: "{}" });
  expect(response.status).toBe(401);
});

test("a signature does not carry over to another body", async () => {
  const cluster = await startCluster();
  const body = JSON.stringify({
    type: "cluster.ping",
    timestamp: "2026-01-01T00:00:00Z",
    data: { cluster: "eu-prod" },
  });
  const send = (signed: string) =>
    fetch(`${cluster.agent.url}/webhook`, { method: "POST", headers: signatureHeaders(signed), body });
  expect((await send(body)).status).toBe(200);
  expect((await send(`${body} `)).status).toBe(401);
});

test("a webhook older or newer than five minutes is refused with 401", async () => {
  const cluster = await startCluster();
  for (const distanceMs of [-6 * minuteMs, 6 * minuteMs]) {
    const sentAt = new Date(Date.now() + distanceMs);
    const response = await cluster.deliver("cluster.ping", { cluster: "eu-prod" }, { sentAt });
    expect(response.status).toBe(401);
  }
});

test("unknown types, malformed data and what is not JSON are refused with 400", async () => {
  const cluster = await startCluster();
  const refused = [
    ["backend.reboot", {}],
    ["backend.spawn", { backend_id: "k3f9q00000000" }],
    ["backend.spawn", spawnData("serve", { fencing_token: "4711" })],
    ["backend.terminate", { backend_id: "../../etc", hard: true, reason: "external" }],
  ] as const;
  for (const [type, data] of refused) {
    const response = await cluster.deliver(type, data);
    expect([type, response.status]).toEqual([type, 400]);
    expect(await response.json()).toEqual({ error: { message: expect.any(String) } });
  }
  expect(cluster.slipway.reports).toEqual([]);
});

test("a webhook of more than 64 KiB is refused with 413", async () => {
  const cluster = await startCluster();
  const body = "x".repeat(64 * 1024 + 1);
  const response = await fetch(`${cluster.agent.url}/webhook`, { method: "POST", body });
  expect(response.status).toBe(413);
});

test("the webhook is for POST only", async () => {
  const cluster = await startCluster();
  const response = await fetch(`${cluster.agent.url}/webhook`);
  expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
});

test("webhooks of another cluster are refused with 409, naming both", async () => {
  const cluster = await startCluster();
  const ping = await cluster.deliver("cluster.ping", { cluster: "us-prod" });
  expect(ping.status).toBe(409);
  expect(await ping.text()).toContain("acme/eu-prod");
  for (const changes of [{ cluster: "us-prod" }, { account: "evil" }]) {
    expect((await cluster.deliver("backend.spawn", spawnData("serve", changes))).status).toBe(409);
  }
});

test("a spawn is answered with the backend's address before its image is pulled", async () => {
  const pull = gate();
  const cluster = await startCluster({
    images: async (reference, signal) => {
      await pull.opened;
      return fixtureImages(reference, signal);
    },
  });
  const data = spawnData();
  const response = await cluster.deliver("backend.spawn", data);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ url: `${cluster.agent.url}/${data.backend_id}` });
  pull.open();
  await cluster.reached(data.backend_id, "ready");
});

test("a public address replaces the one that the agent listens on", async () => {
  const cluster = await startCluster({ publicUrl: "https://prod.example.com/backends/" });
  const data = spawnData();
  const response = await cluster.deliver("backend.spawn", data);
  expect(await response.json()).toEqual({ url: `https://prod.example.com/backends/${data.backend_id}` });
});

test("redeliveries of a spawn, at once and later, answer alike and start one process", async () => {
  const cluster = await startCluster();
  const data = spawnData();
  const send = () => cluster.deliver("backend.spawn", data, { id: "msg_same" });
  const responses = await Promise.all([send(), send(), send(), send()]);
  await cluster.reached(data.backend_id, "ready");
  responses.push(await send());
  for (const response of responses) {
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ url: `${cluster.agent.url}/${data.backend_id}` });
  }
  expect(cluster.starts).toHaveLength(1);
  expect(cluster.slipway.statusesOf(data.backend_id)).toEqual(["loading", "starting", "waiting", "ready"]);
});

test("a spawn that is redelivered after the backend's end starts nothing", async () => {
  const cluster = await startCluster();
  const data = spawnData("exit-3");
  await cluster.deliver("backend.spawn", data);
  await cluster.end(data.backend_id);
  await eventually(() => cluster.slipway.heartbeats.at(-1)?.backends).toEqual([]);
  expect((await cluster.deliver("backend.spawn", data)).status).toBe(200);
  await cluster.spawnReady();
  expect(cluster.starts.filter(({ backendId }) => backendId === data.backend_id)).toHaveLength(1);
});

test("a terminate of an unknown backend is 404, and a spawn that arrives after it is refused", async () => {
  const cluster = await startCluster();
  const data = spawnData();
  expect((await cluster.terminate(data.backend_id, false)).status).toBe(404);
  expect((await cluster.deliver("backend.spawn", data)).status).toBe(409);
  expect(cluster.slipway.reports).toEqual([]);
});

test("a touch is 200 while a backend starts and runs, 410 from its end on, and 404 where it is another agent's", async () => {
  const pull = gate();
  const cluster = await startCluster({
    images: async (reference, signal) => {
      await pull.opened;
      return fixtureImages(reference, signal);
    },
  });
  const touch = async (id: string) => (await cluster.deliver("backend.touch", { backend_id: id })).status;
  const id = await cluster.spawn("ignore-sigterm");
  expect(await touch(id)).toBe(200);
  pull.open();
  await cluster.reached(id, "ready");
  expect(await touch(id)).toBe(200);
  await cluster.terminate(id, false);
  expect(await touch(id)).toBe(410);
  await cluster.terminate(id, true);
  await cluster.end(id);
  await eventually(() => cluster.slipway.heartbeats.at(-1)?.backends).toEqual([]);
  const ended = await cluster.deliver("backend.touch", { backend_id: id });
  expect(ended.status).toBe(410);
  expect(await ended.json()).toEqual({ error: { message: expect.stringContaining("has ended") } });
  const elsewhere = await cluster.deliver("backend.touch", { backend_id: spawnData().backend_id });
  expect(elsewhere.status).toBe(404);
  expect(await elsewhere.json()).toEqual({
    error: { message: expect.stringContaining("does not run here") },
  });
});

test("touches keep a backend from being swept, and heartbeats say how long it has been idle", async () => {
  const cluster = await startCluster();
  const limits = { startup_timeout_seconds: 60, max_idle_seconds: 2 };
  const id = await cluster.spawnReady("serve", { limits });
  const idle = () => cluster.slipway.heartbeats.at(-1)?.backends.find((each) => each.id === id)?.idle_seconds;
  // True waits: the limits of a spawn are whole seconds.
  for (let touches = 0; touches < 3; touches++) {
    await eventually(idle).toBe(2);
    expect((await cluster.deliver("backend.touch", { backend_id: id })).status).toBe(200);
    await eventually(idle).toBe(1);
  }
  expect(cluster.slipway.statusesOf(id).at(-1)).toBe("ready");
  expect(await cluster.end(id)).toMatchObject({ termination_reason: "swept" });
  const untouched = await cluster.spawnReady();
  await eventually(() => cluster.slipway.heartbeats.at(-1)?.backends).toEqual([
    { id: untouched, status: "ready", fencing_token: 4711 },
  ]);
});

test("an agent that is closing leaves spawns to the next one, and answers a redelivery as before", async () => {
  const cluster = await startCluster({ clock: { closeGraceMs: 60_000 } });
  const data = spawnData("ignore-sigterm");
  await cluster.deliver("backend.spawn", data);
  await cluster.reached(data.backend_id, "ready");
  const closed = cluster.agent.close();
  await cluster.reached(data.backend_id, "terminating");
  const response = await cluster.deliver("backend.spawn", spawnData());
  const redelivered = await cluster.deliver("backend.spawn", data);
  await eventually(() => cluster.slipway.heartbeats.at(-1)?.draining).toBe(true);
  await cluster.terminate(data.backend_id, true);
  await closed;
  expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(await response.json()).toEqual({ error: { message: expect.stringContaining("shutting down") } });
  expect(redelivered.status).toBe(200);
});

test("image.pinned makes the runtime pull ahead, and an image that is not there does no harm", async () => {
  const cluster = await startCluster();
  for (const name of ["serve", "unknown"] as const) {
    const { account, service, environment, image } = spawnData(name);
    const response = await cluster.deliver("image.pinned", {
      account,
      service,
      environment,
      image,
      revision: 8,
    });
    expect(response.status).toBe(204);
  }
  expect(cluster.pulls).toEqual([digestOf("serve"), digestOf("unknown")]);
});

test("healthz answers 200 to anybody", async () => {
  const cluster = await startCluster();
  expect((await fetch(`${cluster.agent.url}/healthz`)).status).toBe(200);
});

test("an agent does not start with a malformed secret or a token without an account", async () => {
  await expect(startCluster({ signingSecrets: ["whsec_short"] })).rejects.toThrow();
  await expect(startCluster({ signingSecrets: [] })).rejects.toThrow();
  await expect(startCluster({ agentToken: "nonsense" })).rejects.toThrow("account");
});
