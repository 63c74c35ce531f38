import type { z } from "zod";
import { defaultQuotas } from "../../src/domain/limits.ts";
import { eachQuota } from "../../src/domain/quotas.ts";
import type { Account, CreatedToken, createdAccount, Token } from "../../src/protocol/v3/accounts.ts";
import type { Backend } from "../../src/protocol/v3/backends.ts";
import type {
  Cluster,
  createdCluster,
  ObservedCluster,
  RotatedSecret,
} from "../../src/protocol/v3/clusters.ts";
import type { Candidate, Change, Check, GateAnswer, Plan, Rejection } from "../../src/protocol/v3/deploys.ts";
import type { Drain } from "../../src/protocol/v3/drains.ts";
import type { Image, ImageDetail } from "../../src/protocol/v3/images.ts";
import type { Environment, PinAnswer, Revision, service } from "../../src/protocol/v3/services.ts";

/* Answers of the API v3 as it would give them: the types are the schemas'. */

export const digestA = `sha256:${"a".repeat(64)}`;
export const digestB = `sha256:${"b".repeat(64)}`;
const monday = "2026-11-23T09:00:00.000Z";
const tuesday = "2026-11-24T10:30:00.000Z";

export const ciToken: Token = {
  id: "abcdefghjkm1",
  name: "ci",
  role: "deploy",
  rights: ["approve", "check"],
  service: "hello",
  environments: ["staging", "qa"],
  made_by: { token_id: "abcdefghjkm2", token_name: "laptop" },
  created_at: monday,
  expires_at: tuesday,
};

export const adminToken: Token = {
  id: "abcdefghjkm2",
  name: "laptop",
  role: "admin",
  rights: [],
  made_by: null,
  created_at: monday,
};

export const createdCiToken: CreatedToken = { ...ciToken, secret_token: "acme_abcdefghjkm1.secret" };

export const acmeAccount: z.infer<typeof createdAccount> = {
  name: "acme",
  token: { ...adminToken, secret_token: "acme_abcdefghjkm2.secret" },
};

export const acmeQuotas: Account = {
  name: "acme",
  quotas: eachQuota((name) => ({ used: 12, limit: defaultQuotas[name] })),
};

export const euProd: Cluster = {
  name: "eu-prod",
  webhook_url: "https://eu.example.com/slipway",
  backend_url_template: "https://{backend_id}.eu.example.com",
  ack: "async",
  default: true,
  created_at: monday,
};

export const healthyEuProd: ObservedCluster = {
  ...euProd,
  health: "healthy",
  last_heartbeat_at: tuesday,
  agents: [
    {
      id: "eu-1",
      version: "1.2.0",
      last_heartbeat_at: tuesday,
      draining: false,
      backends: 3,
      capacity: 40,
      disk: { free_bytes: 1536 * 1024 ** 2, total_bytes: 20 * 1024 ** 3 },
    },
    { id: "eu-0", version: "1.1.0", last_heartbeat_at: monday, draining: true, backends: 1 },
  ],
};

export const createdEuProd: z.infer<typeof createdCluster> = {
  ...euProd,
  signing_secret: "whsec_c2lnbmluZyBzZWNyZXQ",
  agent_token: "acme_agent0000001.secret",
};

export const rotatedEuProd: RotatedSecret = {
  name: "eu-prod",
  signing_secret: "whsec_bmV4dCBzZWNyZXQ",
  previous_valid_until: tuesday,
};

export const hello: z.infer<typeof service> = {
  name: "hello",
  account: "acme",
  default_environment: "prod",
  created_at: monday,
  location: "weur",
  last_spawned_at: null,
  last_image_upload_time: tuesday,
  last_image_digest: digestA,
  image_name: "registry.example.com/acme/hello",
  environments: ["prod", "staging"],
  environments_total: 2,
  live_backends: 3,
};

export const prod: Environment = {
  name: "prod",
  cluster: "eu-prod",
  image: "v12",
  digest: digestA,
  revision: 7,
  settings: { startup_timeout_seconds: 300, max_idle_seconds: 0 },
  live_backends: 3,
  created_at: monday,
  last_spawned_at: tuesday,
};

export const unpushed: Environment = {
  ...prod,
  name: "default",
  cluster: null,
  image: "latest",
  digest: null,
  revision: 1,
  live_backends: 0,
  last_spawned_at: null,
};

export const pinned: PinAnswer = {
  environment: "prod",
  image: "v12",
  digest: digestA,
  revision: 7,
  previous: { image: "v11", digest: digestB, revision: 6 },
};

export const revision7: Revision = {
  revision: 7,
  image: "v12",
  digest: digestA,
  kind: "pin",
  by: { token_id: "abcdefghjkm1", token_name: "ci" },
  at: tuesday,
  note: "release 12",
  returnable: true,
};

export const imageA: Image = {
  digest: digestA,
  tags: ["v12", "latest"],
  tags_total: 2,
  repository: "registry.example.com/acme/hello",
  pushed_at: tuesday,
};

export const imageADetail: ImageDetail = {
  ...imageA,
  environments: ["prod"],
  environments_total: 1,
  live_backends: ["k3f9q7h3kq2m9"],
};

export const backend: Backend = {
  id: "k3f9q7h3kq2m9",
  account: "acme",
  service: "hello",
  environment: "prod",
  cluster: "eu-prod",
  status: "ready",
  status_at: tuesday,
  image: { image: "v12", digest: digestA, revision: 7 },
  key: "doc-123",
  fencing_token: 4711,
  created_at: tuesday,
};

export const heldSince = "2026-11-24T08:15:00.000Z";
export const heldBackend: Backend = { ...backend, held_since: heldSince };

export const termination = {
  id: "0d5f3f0e-4a3c-4f7e-9a53-6f0e6f3a9b11",
  cause: "request",
  hard: true,
  environments: ["prod"],
  created_at: "2026-11-23T10:30:00.000Z",
  status: "running",
  total: 10_000,
  terminated: 200,
  remaining: 9_800,
};

export const drainUnderWay: Drain = {
  id: "0b3ca9a8-6c3c-4f5a-8a8e-0d0f4c6f0f57",
  state: "draining",
  environment: "prod",
  digest: digestA,
  when: "idle",
  rate_per_minute: 60,
  created_at: monday,
  by: { token_id: "abcdefghjkm1", token_name: "ci" },
  total: 40,
  ended: 12,
  live: 28,
  kept: 0,
  oldest_started_at: monday,
  eta: tuesday,
  held_up_by: { count: 2, backends: ["k3f9q7h3kq2m9"] },
};

const { eta: _eta, ...went } = drainUnderWay;
export const drained: Drain = {
  ...went,
  state: "drained",
  ended: 40,
  live: 0,
  oldest_started_at: null,
  eta: null,
  held_up_by: { count: 0, backends: [] },
  ended_at: tuesday,
};

export const cancelledDrain: Drain = {
  ...drained,
  state: "cancelled",
  ended: 12,
  live: 28,
  reason: "requested",
};

const ci = { token_id: "abcdefghjkm1", token_name: "ci" };
const ada = { token_id: "abcdefghjkm3", token_name: "ada" };

export const promoted: PinAnswer = { ...pinned, image: digestA };

export const rolledBack: PinAnswer = {
  environment: "prod",
  image: digestB,
  digest: digestB,
  revision: 8,
  previous: { image: "main", digest: digestA, revision: 7 },
  to_revision: 6,
  rejected: digestA,
  unfollowed: { tag: "main", digest: digestA },
};

export const stopped: Environment = {
  ...prod,
  stopped: { reason: "the fair is on", by: ci, at: tuesday },
  unfollowed: { tag: "main", digest: digestA },
};

export const protectedProd: Environment = {
  ...prod,
  settings: {
    ...prod.settings,
    gates: {
      from: ["staging", "qa"],
      match: "all",
      min_ready: 20,
      max_failed_share: 0.05,
      min_samples: 10,
      soak_seconds: 900,
      checks: ["e2e", "security scan"],
    },
    changers: { roles: ["admin"], tokens: ["abcdefghjkm1"] },
    require_digest: true,
    allow_spawn_tag: false,
    follow: "candidate",
    approvals: 2,
    windows: [
      {
        effect: "deny",
        days: ["fri", "sat"],
        from: "16:00",
        to: "06:00",
        time_zone: "Europe/Berlin",
        ends_at: "2027-01-10T00:00:00Z",
      },
    ],
    emergency_rollback: false,
  },
};

export const pendingGates: GateAnswer[] = [
  { name: "from", state: "passed", have: ["staging"], need: ["staging"], environment: "staging" },
  { name: "min_ready", state: "pending", have: 3, need: 20, environment: "staging" },
  {
    name: "max_failed_share",
    state: "pending",
    have: 0.25,
    need: 0.07,
    environment: "staging",
    samples: 4,
    min_samples: 20,
  },
  {
    name: "soak_seconds",
    state: "pending",
    have: 40,
    need: 900,
    environment: "staging",
    passes_at: tuesday,
  },
  { name: "checks", state: "pending", have: [], need: ["e2e", "scan"] },
];

export const waitingChange: Change = {
  id: "6f1c5e0a-3c3e-4a52-9c0e-0d6b2a6f7b11",
  environment: "prod",
  kind: "promote",
  state: "open",
  digest: digestA,
  revision: 6,
  requested_by: ci,
  note: "release 12",
  forced: false,
  approvals: [],
  approvals_needed: 1,
  created_at: monday,
  expires_at: tuesday,
};

export const executedChange: Change = {
  ...waitingChange,
  state: "executed",
  forced: true,
  approvals: [{ ...ada, at: tuesday, note: "looks good" }],
  ended_at: tuesday,
};

export const planned: Plan = {
  plan: true,
  environment: "prod",
  kind: "promote",
  before: { image: "v11", digest: digestB, revision: 6 },
  after: { image: digestA, digest: digestA },
  gates: pendingGates,
  approvals_needed: 1,
  refusals: [{ code: "gate_not_met", message: "gates of environment `prod` are not met" }],
  forced: [],
  clusters: ["eu-prod"],
  live: [{ digest: digestB, count: 3 }],
  live_total: 5,
};

export const plannedRollback: Plan = {
  ...planned,
  kind: "rollback",
  gates: [],
  approvals_needed: 0,
  refusals: [],
  forced: ["environment_stopped"],
  rejects: digestB,
  unfollows: "main",
  live: [],
  live_total: 0,
};

export const candidateA: Candidate = {
  digest: digestA,
  tag: "main",
  reason: "environment_frozen",
  message: "environment `prod` is frozen",
  by: ci,
  at: tuesday,
  gates: pendingGates,
};

export const rejectionA: Rejection = {
  digest: digestA,
  note: "sessions crash on save",
  by: ada,
  at: tuesday,
};

export const checkE2e: Check = {
  name: "e2e",
  state: "passed",
  url: "https://ci.example.com/runs/17",
  note: "all 212 passed",
  by: ci,
  at: tuesday,
};
