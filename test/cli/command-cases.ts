import * as answers from "./answers.ts";

/* Every command that makes one request, with what it sends and an answer. */

const { digestA } = answers;
const digestB = `sha256:${"b".repeat(64)}`;

export interface CommandCase {
  args: string[];
  sends: string;
  body?: unknown;
  answer?: unknown;
  status?: number;
  /** What a person reads, each of them somewhere in the output. */
  says: string[];
}

export const commandCases: readonly CommandCase[] = [
  {
    args: ["accounts", "show"],
    sends: "GET ",
    answer: answers.acmeQuotas,
    says: ["QUOTA", "environments    12    10000", "untagged_bytes"],
  },
  {
    args: ["tokens", "list"],
    sends: "GET /tokens?limit=200",
    answer: { tokens: [answers.ciToken, answers.adminToken] },
    says: ["ID ", "hello/staging hello/qa", "laptop", "account", "approve check", "laptop (abcdefghjkm2)"],
  },
  {
    args: [
      ..."tokens create ci --role deploy --right approve --right check --service hello".split(" "),
      ..."--environment staging --environment qa --expires-in 30d".split(" "),
    ],
    sends: "POST /tokens",
    body: {
      name: "ci",
      role: "deploy",
      rights: ["approve", "check"],
      service: "hello",
      environments: ["staging", "qa"],
      expires_in_seconds: 2_592_000,
    },
    status: 201,
    answer: answers.createdCiToken,
    says: ["acme_abcdefghjkm1.secret", "it is not shown again", "rights   approve check"],
  },
  {
    args: ["tokens", "create", "laptop", "--role", "admin"],
    sends: "POST /tokens",
    body: { name: "laptop", role: "admin" },
    status: 201,
    answer: { ...answers.adminToken, secret_token: "acme_abcdefghjkm2.secret" },
    says: ["acme_abcdefghjkm2.secret", "rights   -"],
  },
  {
    args: ["tokens", "revoke", "abcdefghjkm1"],
    sends: "DELETE /tokens/abcdefghjkm1",
    status: 204,
    says: ["abcdefghjkm1 is revoked"],
  },
  {
    args: ["backends", "show", "k3f9q7h3kq2m9"],
    sends: "GET /backends/k3f9q7h3kq2m9",
    answer: answers.heldBackend,
    says: ["k3f9q7h3kq2m9", "held_since", answers.heldSince, "doc-123"],
  },
  {
    args: ["backends", "release", "k3f9q7h3kq2m9", "--note", "the machine was off"],
    sends: "POST /backends/k3f9q7h3kq2m9/release",
    body: { note: "the machine was off" },
    answer: { ...answers.heldBackend, status: "terminated" },
    says: ["terminated"],
  },
  {
    args: ["clusters", "list"],
    sends: "GET /clusters?limit=200",
    answer: { clusters: [answers.healthyEuProd] },
    says: ["eu-prod", "yes", "healthy", "async", "https://eu.example.com/slipway"],
  },
  {
    args: [
      ...["clusters", "create", "eu-prod", "--webhook-url", "https://eu.example.com/slipway"],
      ...["--backend-url-template", "https://{backend_id}.eu.example.com", "--ack", "async"],
    ],
    sends: "POST /clusters",
    body: {
      name: "eu-prod",
      webhook_url: "https://eu.example.com/slipway",
      backend_url_template: "https://{backend_id}.eu.example.com",
      ack: "async",
    },
    status: 201,
    answer: answers.createdEuProd,
    says: ["whsec_c2lnbmluZyBzZWNyZXQ", "acme_agent0000001.secret", "it is not shown again"],
  },
  {
    args: ["clusters", "show", "eu-prod"],
    sends: "GET /clusters/eu-prod",
    answer: answers.healthyEuProd,
    says: ["https://{backend_id}.eu.example.com", "healthy", "eu-0", "1.1.0", "40"],
  },
  {
    args: ["clusters", "update", "eu-prod", "--default", "--ack", "sync", "--no-backend-url-template"],
    sends: "PATCH /clusters/eu-prod",
    body: { backend_url_template: null, ack: "sync", default: true },
    answer: { ...answers.euProd, ack: "sync", backend_url_template: null },
    says: ["sync"],
  },
  {
    args: ["clusters", "delete", "eu-prod"],
    sends: "DELETE /clusters/eu-prod",
    status: 204,
    says: ["`eu-prod` is deleted"],
  },
  {
    args: ["clusters", "rotate-secret", "eu-prod"],
    sends: "POST /clusters/eu-prod/rotate-secret",
    answer: answers.rotatedEuProd,
    says: ["whsec_bmV4dCBzZWNyZXQ", "it is not shown again", "2026-11-24T10:30:00.000Z"],
  },
  {
    args: ["clusters", "test", "eu-prod"],
    sends: "POST /clusters/eu-prod/test",
    answer: { delivered: true, status: 200, duration_ms: 12.3 },
    says: ["Delivered in 12 ms", "200"],
  },
  {
    args: ["services", "list", "--search", "edit"],
    sends: "GET /services?search=edit&limit=200",
    answer: { services: [] },
    says: ["none"],
  },
  {
    args: ["env", "list", "hello", "--search", "preview"],
    sends: "GET /services/hello/environments?search=preview&limit=200",
    answer: { environments: [] },
    says: ["none"],
  },
  {
    args: ["images", "list", "hello", "--search", "v1."],
    sends: "GET /services/hello/images?search=v1.&limit=200",
    answer: { images: [] },
    says: ["none"],
  },
  {
    args: ["backends", "list", "hello", "--search", "doc-"],
    sends: "GET /services/hello/backends?search=doc-&limit=200",
    answer: { backends: [] },
    says: ["none"],
  },
  {
    args: ["services", "list"],
    sends: "GET /services?limit=200",
    answer: { services: [{ name: "hello", created_at: answers.hello.created_at, location: "weur" }] },
    says: ["hello", "weur", "2026-11-23"],
  },
  {
    args: ["services", "create", "hello", "--default-environment", "prod", "--location", "weur"],
    sends: "POST /services",
    body: { name: "hello", default_environment: "prod", location: "weur" },
    status: 201,
    answer: answers.hello,
    says: ["registry.example.com/acme/hello", "prod staging", "location             weur"],
  },
  {
    args: ["services", "show", "hello"],
    sends: "GET /services/hello",
    answer: answers.hello,
    says: ["default_environment  prod", digestA],
  },
  {
    args: ["services", "update", "hello", "--default-environment", "staging"],
    sends: "PATCH /services/hello",
    body: { default_environment: "staging" },
    answer: { ...answers.hello, default_environment: "staging" },
    says: ["default_environment  staging"],
  },
  {
    args: ["services", "update", "hello", "--no-default-environment"],
    sends: "PATCH /services/hello",
    body: { default_environment: null },
    answer: { ...answers.hello, default_environment: null },
    says: ["default_environment  -"],
  },
  {
    args: ["services", "delete", "hello"],
    sends: "DELETE /services/hello",
    status: 204,
    says: ["`hello` is deleted"],
  },
  {
    args: ["env", "list", "hello"],
    sends: "GET /services/hello/environments?limit=200",
    answer: { environments: [answers.prod, answers.unpushed] },
    says: ["prod", "v12", "sha256:aaaaaaaaaaaa ", "eu-prod", "latest"],
  },
  {
    args: ["env", "create", "hello/staging", "--cluster", "eu-prod", "--image", "main", "--max-idle", "0"],
    sends: "POST /services/hello/environments",
    body: { name: "staging", cluster: "eu-prod", image: "main", settings: { max_idle_seconds: 0 } },
    status: 201,
    answer: { ...answers.prod, name: "staging" },
    says: ["staging", "never swept"],
  },
  {
    args: ["env", "create", "hello/staging"],
    sends: "POST /services/hello/environments",
    body: { name: "staging", image: "latest" },
    status: 201,
    answer: { ...answers.prod, name: "staging" },
    says: ["staging"],
  },
  {
    args: ["env", "show", "hello/prod"],
    sends: "GET /services/hello/environments/prod",
    answer: answers.prod,
    says: [digestA, "300 s"],
  },
  {
    args: [
      "env",
      "update",
      "hello/prod",
      "--no-cluster",
      "--startup-timeout",
      "2m",
      "--lifetime-limit",
      "1h",
    ],
    sends: "PATCH /services/hello/environments/prod",
    body: { cluster: null, settings: { startup_timeout_seconds: 120, lifetime_limit_seconds: 3600 } },
    answer: answers.prod,
    says: ["prod"],
  },
  {
    args: ["env", "delete", "hello/prod"],
    sends: "DELETE /services/hello/environments/prod",
    status: 204,
    says: ["`hello/prod` is deleted"],
  },
  {
    args: ["env", "pin", "hello/prod", "v12", "--note", "release 12"],
    sends: "PUT /services/hello/environments/prod/pin",
    body: { image: "v12", note: "release 12" },
    answer: answers.pinned,
    says: ["hello/prod", "v12", digestA, "(before)", "v11"],
  },
  {
    args: ["env", "history", "hello/prod"],
    sends: "GET /services/hello/environments/prod/history?limit=200",
    answer: { revisions: [answers.revision7] },
    says: ["7", "ci (abcdefghjkm1)", "release 12"],
  },
  {
    args: ["env", "resolve", "hello/prod", "--tag", "v13", "--key", "doc 1/ü"],
    sends: "GET /services/hello/environments/prod/resolve?tag=v13&key=doc+1%2F%C3%BC",
    answer: {
      environment: "prod",
      action: "refuse",
      image: "v13",
      digest: null,
      revision: 7,
      cluster: "eu-prod",
      refusals: [{ code: "image_not_found", message: "no image with the tag `v13`" }],
    },
    says: ["A spawn would be refused", "no image with the tag `v13` (image_not_found)"],
  },
  {
    args: ["env", "resolve", "hello/prod"],
    sends: "GET /services/hello/environments/prod/resolve",
    answer: {
      environment: "prod",
      action: "spawn",
      image: "latest",
      digest: digestA,
      revision: 7,
      cluster: "eu-prod",
      artifact: { digest: digestB, artifact_type: "application/vnd.cncf.helm.config.v1+json" },
      refusals: [],
    },
    says: [
      digestA,
      `The latest push of \`latest\` is no image: application/vnd.cncf.helm.config.v1+json (${digestB})`,
    ],
  },
  {
    args: ["images", "list", "hello"],
    sends: "GET /services/hello/images?limit=200",
    answer: { images: [answers.imageA] },
    says: [digestA, "v12 latest"],
  },
  {
    args: [
      "images",
      "add",
      "hello",
      digestA,
      "--tag",
      "v12",
      "--repository",
      "registry.example.com/acme/hello",
    ],
    sends: "POST /services/hello/images",
    body: { digest: digestA, tag: "v12", repository: "registry.example.com/acme/hello" },
    status: 201,
    answer: answers.imageA,
    says: [digestA],
  },
  {
    args: ["images", "add", "hello", digestA, "--media-type", "a/b", "--artifact-type", "c/d"],
    sends: "POST /services/hello/images",
    body: { digest: digestA, media_type: "a/b", artifact_type: "c/d" },
    status: 201,
    answer: { ...answers.imageA, media_type: "a/b", artifact_type: "c/d" },
    says: ["a/b", "c/d"],
  },
  {
    args: ["images", "show", "hello", digestA],
    sends: `GET /services/hello/images/${encodeURIComponent(digestA)}`,
    answer: answers.imageADetail,
    says: ["k3f9q7h3kq2m9", "prod"],
  },
  {
    args: ["images", "delete", "hello", digestA],
    sends: `DELETE /services/hello/images/${encodeURIComponent(digestA)}`,
    status: 204,
    says: ["is deleted"],
  },
  {
    args: "backends terminate-all hello --environment prod --hard --created-before 2026-11-23T00:00:00Z".split(
      " ",
    ),
    sends: "POST /services/hello/terminations",
    body: { environment: "prod", hard: true, created_before: "2026-11-23T00:00:00Z" },
    status: 201,
    answer: answers.termination,
    says: ["running", "9800", "slipway backends terminations hello"],
  },
  {
    args: ["backends", "terminations", "hello"],
    sends: "GET /services/hello/terminations",
    answer: { terminations: [answers.termination] },
    says: ["request", "prod", "10000", "200", "9800"],
  },
  {
    args: ["backends", "list", "hello", "--environment", "prod", "--status", "ready", "--key", "doc-123"],
    sends: "GET /services/hello/backends?environment=prod&status=ready&key=doc-123&limit=200",
    answer: { backends: [answers.backend] },
    says: ["k3f9q7h3kq2m9", "ready", "v12", "doc-123"],
  },
];
