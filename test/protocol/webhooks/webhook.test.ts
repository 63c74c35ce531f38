import { describe, expect, test } from "vitest";
import {
  expandBackendUrlTemplate,
  resourceLimits,
  type SpawnWebhookData,
  spawnWebhookAnswer,
  webhookMessage,
} from "../../../src/protocol/webhooks/webhook.ts";

const digest = `sha256:${"a".repeat(64)}`;
const timestamp = "2026-11-23T09:00:00.000Z";
const repository = "registry.example.com/acme/hello";
const image = { reference: `${repository}@${digest}`, repository, digest, tag: "v12" };

/** The example of src/protocol/README.md, "Cluster webhooks". */
const spawn: SpawnWebhookData = {
  backend_id: "k3f9q7h3kq2m9",
  account: "acme",
  service: "hello",
  environment: "prod",
  cluster: "eu-prod",
  image,
  pin: { image: "v12", revision: 7 },
  key: "doc-123",
  fencing_token: 4711,
  env: { FOO: "bar" },
  limits: {
    startup_timeout_seconds: 300,
    max_idle_seconds: 300,
    lifetime_limit_seconds: 3600,
    resources: { memory_limit_bytes: 268435456 },
  },
  secret_token: "secret",
};

describe("a webhook message", () => {
  test.for([
    { type: "backend.spawn", timestamp, data: spawn },
    { type: "backend.spawn", timestamp, data: { ...spawn, key: null, image: { ...image, tag: null } } },
    {
      type: "backend.terminate",
      timestamp,
      data: { backend_id: "k3f9q7h3kq2m9", hard: true, reason: "external" },
    },
    { type: "backend.touch", timestamp, data: { backend_id: "k3f9q7h3kq2m9" } },
    {
      type: "image.pinned",
      timestamp,
      data: { account: "acme", service: "hello", environment: "prod", image, revision: 7 },
    },
    { type: "cluster.ping", timestamp, data: { cluster: "eu-prod" } },
  ])("of the type $type is read again as it was written", (message) => {
    expect(webhookMessage.parse(JSON.parse(JSON.stringify(message)))).toEqual(message);
  });

  test.for([
    ["an unknown type", { type: "backend.restart", timestamp, data: {} }],
    ["no data", { type: "cluster.ping", timestamp }],
    ["no timestamp", { type: "cluster.ping", data: { cluster: "eu-prod" } }],
    [
      "a tag where the digest must be",
      { type: "backend.spawn", timestamp, data: { ...spawn, image: { ...image, digest: "v12" } } },
    ],
    ["no fencing token", { type: "backend.spawn", timestamp, data: { ...spawn, fencing_token: undefined } }],
    [
      "a key left out instead of null",
      { type: "backend.spawn", timestamp, data: { ...spawn, key: undefined } },
    ],
    [
      "a backend id that is none",
      { type: "backend.terminate", timestamp, data: { backend_id: "../x", hard: true, reason: "external" } },
    ],
    ["a touch of no backend", { type: "backend.touch", timestamp, data: {} }],
    [
      "an unknown reason",
      {
        type: "backend.terminate",
        timestamp,
        data: { backend_id: "k3f9q7h3kq2m9", hard: true, reason: "tired" },
      },
    ],
  ] as const)("with %s is refused", ([, message]) => {
    expect(webhookMessage.safeParse(message).success).toBe(false);
  });
});

describe("the data of a spawn", () => {
  const { limits } = spawn;
  test.for([
    { mount: true },
    { mount: "data" },
    { port: 3000 },
    { require_bearer_token: true },
    { limits: { startup_timeout_seconds: 1, max_idle_seconds: 0 } },
  ])("may say %j", (extra) => {
    const message = { type: "backend.spawn", timestamp, data: { ...spawn, ...extra } };
    expect(webhookMessage.parse(message)).toEqual(message);
  });

  test.for([
    { mount: null },
    { port: null },
    { port: 0 },
    { port: 65_536 },
    { require_bearer_token: null },
    { limits: { ...limits, startup_timeout_seconds: 0 } },
    { limits: { ...limits, max_idle_seconds: -1 } },
    { limits: { ...limits, lifetime_limit_seconds: null } },
    { limits: { ...limits, lifetime_limit_seconds: 0 } },
    { limits: { ...limits, resources: null } },
    { limits: undefined },
    { fencing_token: 0 },
    { pin: { image: "v12", revision: 0 } },
    { pin: { image: null, revision: 1 } },
    { env: { FOO: 1 } },
    { secret_token: null },
  ])("may not say %j", (extra) => {
    const message = { type: "backend.spawn", timestamp, data: { ...spawn, ...extra } };
    expect(webhookMessage.safeParse(message).success).toBe(false);
  });
});

describe("what a cluster may answer to a spawn", () => {
  test.for([{}, { url: "https://x.eu.example.com" }, { url: "http://127.0.0.1:9000/" }, { more: 1 }])(
    "%j",
    (answer) => {
      expect(spawnWebhookAnswer.safeParse(answer).success).toBe(true);
    },
  );

  test.for([
    null,
    [],
    "ok",
    { url: null },
    { url: "" },
    { url: "x.example.com" },
    { url: "javascript:alert(1)" },
    { url: `https://x.example/${"x".repeat(2000)}` },
  ])("not %j", (answer) => {
    expect(spawnWebhookAnswer.safeParse(answer).success).toBe(false);
  });
});

test("a URL template is filled in wherever it names the backend", () => {
  expect(expandBackendUrlTemplate("https://{backend_id}.eu.example.com/{backend_id}", "k3")).toBe(
    "https://k3.eu.example.com/k3",
  );
});

describe("a resource limit", () => {
  const names = Object.keys(resourceLimits.shape);

  test("is one of those that Jamsocket has", () => {
    expect(names).toEqual([
      "cpu_period",
      "cpu_period_percent",
      "cpu_time_limit",
      "memory_limit_bytes",
      "disk_limit_bytes",
    ]);
  });

  test.for(names.flatMap((name) => [0, -1, 0.5, "1", null].map((value) => ({ [name]: value }))))(
    "is a positive whole number, not %j",
    (limits) => {
      expect(resourceLimits.safeParse(limits).success).toBe(false);
    },
  );
});
