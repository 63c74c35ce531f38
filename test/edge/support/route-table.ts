import type { Action } from "../../../src/domain/credentials/access.ts";
import type { TokenRight } from "../../../src/domain/credentials/rights.ts";
import type { EventType } from "../../../src/domain/events.ts";
import { freshName } from "../../support/worker/api.ts";
import {
  confirmLogin,
  holdKey,
  pinAnew,
  rejectSpare,
  runSpare,
  spareDigest,
  stopEnvironment,
  type World,
} from "./world.ts";

/**
 * What a route promises, written down apart from the route itself. A new route must be given a row, and each promise
 * of its row is driven: who may call it in `admission/tenants.test.ts`, what narrowed tokens get in
 * `admission/narrowed.test.ts`, everything else in `api/promises/`.
 */
export interface Row {
  who: "public" | "root" | "any" | Action;
  /** A body with which it succeeds in a `World`, at a path; only where it takes one. */
  json?: object | ((world: World, path: string) => object | Promise<object>);
  /** What has to be so, of the environment in its path, before it can succeed. */
  given?: (world: World, environment: string) => Promise<unknown>;
  /** A right that it needs of a token, beside its role. */
  right?: TokenRight;
  /** Names in its path that are not those of the `World`. */
  at?: Readonly<Record<string, string>>;
  /** Whether `If-Match` with another revision is refused. */
  conditional?: true;
  /** Whether `?plan=true` only says what it would do; on all others `plan` is refused. */
  plan?: true;
  /** On POST: whether `Idempotency-Key` makes a repetition harmless, or why it needs none. */
  repeated?: "once" | { because: string };
  /** On all but GET: the event by which it is known later who did it; null for what is no change by a person. */
  leaves?: EventType | null;
  /** The field of its pages' items, on lists with `limit` and `cursor`. */
  paged?: string;
  /** Why its list is not paged. */
  whole?: string;
  /** The largest body that it reads, in bytes; 64 KiB when it is left out. */
  maxBytes?: number;
}

const service = "/v3/accounts/:account/services/:service";
const environment = `${service}/environments/:environment`;
const cluster = "/v3/accounts/:account/clusters/:cluster";
const oldService = "/v2/service/:account/:service";

const noPages = "Jamsocket's clients know no pages";
const named = { because: "the name is taken by the first" } as const;
const revised = { because: "each is a revision, even of the same image" } as const;
const ended = { because: "what has ended, or is ending, cannot be ended again" } as const;
const looked = { because: "it changes nothing" } as const;

const push = {
  events: [
    {
      action: "push",
      timestamp: "2029-12-01T00:00:00Z",
      target: { digest: spareDigest, repository: "elsewhere/hello", tag: "pushed" },
      request: { host: "registry.example.com" },
    },
  ],
};
const beat = { cluster: "main", agent_id: "a", version: "1", backends: [] };
const ends = { status: "terminated", fencing_token: 1 };

export const table: Readonly<Record<string, Row>> = {
  "GET /auth": { who: "any", whole: "one account" },
  "POST /user/:account/service": {
    who: "deploy",
    json: { name: "stolen" },
    repeated: named,
    leaves: "service.created",
  },
  "GET /user/:account/services": { who: "read", whole: noPages },
  "GET /service/:account/:service/image-name": { who: "read" },
  "POST /user/:account/service/:service/spawn": { who: "spawn", json: {}, repeated: "once", leaves: null },
  "GET /user/:account/backends": { who: "read", whole: noPages },
  "GET /backend/:id/status": { who: "public" },
  "GET /backend/:id/status/stream": { who: "public" },
  "GET /backend/:id/logs": { who: "read" },
  "POST /backend/:id/terminate": { who: "spawn", repeated: ended, leaves: "backend.terminated" },
  "POST /service/:account/:service/terminate-backends": {
    who: "spawn",
    json: { hard: true },
    repeated: ended,
    leaves: "backend.terminated",
  },
  "POST /user-session/:session_id/delete": { who: "any", repeated: ended, leaves: "session.revoked" },
  "POST /cli-login": {
    who: "public",
    repeated: { because: "an attempt that nobody confirms ends by itself" },
    leaves: null,
  },
  "GET /cli-login/:login/status/stream": { who: "public" },
  "POST /cli-login/:login/complete": {
    who: "public",
    json: async (world, path) => ({ code: await confirmLogin(world, path.split("/")[2] ?? "") }),
    repeated: { because: "a code is good for one login" },
    leaves: "session.created",
  },

  "POST /v2/account/:account/service": {
    who: "deploy",
    json: { name: "stolen" },
    repeated: named,
    leaves: "service.created",
  },
  "GET /v2/account/:account/services": { who: "read", whole: noPages },
  "GET /v2/account/:account/backends": { who: "read", whole: noPages },
  [`GET ${oldService}`]: { who: "read", whole: noPages },
  [`POST ${oldService}/delete`]: { who: "admin", repeated: ended, leaves: "service.deleted" },
  [`GET ${oldService}/images`]: { who: "read", whole: noPages },
  [`POST ${oldService}/update`]: {
    who: "deploy",
    json: { image_tag: "v1" },
    repeated: revised,
    leaves: "environment.pinned",
  },
  [`POST ${oldService}/:environment/update`]: {
    who: "deploy",
    json: { image_tag: "v1" },
    repeated: revised,
    leaves: "environment.pinned",
  },
  [`POST ${oldService}/connect`]: { who: "spawn", json: {}, repeated: "once", leaves: null },
  [`POST ${oldService}/:environment/connect`]: { who: "spawn", json: {}, repeated: "once", leaves: null },
  "GET /v2/backend/:id": { who: "read", whole: "a backend has at most eight statuses" },
  "GET /v2/backend/:id/status": { who: "public" },
  "GET /v2/backend/:id/status/stream": { who: "public" },
  "GET /v2/backend/:id/logs/stream": { who: "read" },
  "GET /v2/backend/:id/metrics/stream": { who: "read" },
  "POST /v2/backend/:id/terminate": {
    who: "spawn",
    json: {},
    repeated: ended,
    leaves: "backend.terminated",
  },

  "POST /v3/accounts": {
    who: "root",
    json: () => ({ name: freshName("made") }),
    repeated: "once",
    leaves: "token.created",
  },
  "GET /v3/accounts/:account": { who: "read" },
  "PATCH /v3/accounts/:account": {
    who: "root",
    json: { quotas: { images: 1_000, untagged_bytes: null } },
    leaves: "account.quotas_changed",
  },
  "GET /v3/accounts/:account/tokens": { who: "admin", paged: "tokens" },
  "POST /v3/accounts/:account/tokens": {
    who: "admin",
    json: { name: "stolen", role: "admin", rights: ["approve", "check"] },
    repeated: "once",
    leaves: "token.created",
  },
  "DELETE /v3/accounts/:account/tokens/:token_id": { who: "admin", leaves: "token.revoked" },
  "GET /v3/accounts/:account/sessions": { who: "admin", paged: "sessions" },
  "DELETE /v3/accounts/:account/sessions/:session_id": { who: "admin", leaves: "session.revoked" },
  "POST /v3/accounts/:account/login-links": { who: "any", json: {}, repeated: "once", leaves: null },
  "GET /v3/accounts/:account/clusters": { who: "read", paged: "clusters" },
  "POST /v3/accounts/:account/clusters": {
    who: "admin",
    json: { name: "stolen", webhook_url: "https://cluster.test/" },
    repeated: "once",
    leaves: "cluster.registered",
  },
  [`GET ${cluster}`]: { who: "read", whole: "its agents, of which there are a few" },
  [`PATCH ${cluster}`]: {
    who: "admin",
    json: { webhook_url: "https://thief.test/" },
    at: { cluster: "spare" },
    leaves: "cluster.changed",
  },
  [`DELETE ${cluster}`]: { who: "admin", at: { cluster: "spare" }, leaves: "cluster.deleted" },
  [`POST ${cluster}/rotate-secret`]: {
    who: "admin",
    json: {},
    repeated: "once",
    leaves: "cluster.secret_rotated",
  },
  [`POST ${cluster}/test`]: { who: "admin", repeated: looked, leaves: null },
  [`GET ${cluster}/deliveries`]: { who: "read", paged: "deliveries" },
  [`POST ${cluster}/deliveries/:delivery/redeliver`]: {
    who: "admin",
    repeated: { because: "the cluster does nothing twice for one webhook's id" },
    leaves: null,
  },
  "GET /v3/accounts/:account/events": { who: "read", paged: "events" },
  "GET /v3/accounts/:account/services": { who: "read", paged: "services" },
  "POST /v3/accounts/:account/services": {
    who: "deploy",
    json: { name: "stolen" },
    repeated: "once",
    leaves: "service.created",
  },
  [`GET ${service}`]: { who: "read", whole: "the first of its environments, and how many there are" },
  [`PATCH ${service}`]: {
    who: "deploy",
    json: { default_environment: "default" },
    leaves: "service.changed",
  },
  [`DELETE ${service}`]: { who: "admin", leaves: "service.deleted" },
  [`GET ${service}/backends`]: { who: "read", paged: "backends" },
  "GET /v3/accounts/:account/backends/:id": { who: "read" },
  "POST /v3/accounts/:account/backends/:id/release": {
    who: "admin",
    json: async (world) => {
      await holdKey(world);
      return { note: "its machine was switched off" };
    },
    repeated: { because: "what was released is not released again" },
    leaves: "backend.released",
  },
  [`POST ${service}/terminations`]: {
    who: "spawn",
    json: { hard: true },
    repeated: "once",
    leaves: "backend.terminated",
  },
  [`GET ${service}/terminations`]: { who: "read", whole: "the last of them are kept" },
  [`GET ${service}/terminations/:termination`]: { who: "read", whole: "the environments that it is about" },
  [`POST ${service}/drains`]: {
    who: "deploy",
    json: async (world, path) => {
      // A service that has just been made runs nothing.
      if (!path.includes("/services/hello/")) return { before: "2029-01-01T00:00:00Z" };
      await runSpare(world);
      return { environment: "staging", digest: spareDigest };
    },
    repeated: "once",
    leaves: "drain.started",
  },
  [`GET ${service}/drains`]: { who: "read", paged: "drains" },
  [`GET ${service}/drains/:drain`]: { who: "read", whole: "what it names, which is bounded" },
  [`GET ${service}/drains/:drain/stream`]: { who: "read" },
  [`POST ${service}/drains/:drain/cancel`]: {
    who: "deploy",
    repeated: { because: "what is cancelled is answered as it is" },
    leaves: "drain.ended",
  },
  [`GET ${service}/usage`]: { who: "read", whole: "a range has at most so many steps" },
  [`GET ${service}/environments`]: { who: "read", paged: "environments" },
  [`POST ${service}/environments`]: {
    who: "deploy",
    json: { name: "stolen" },
    repeated: "once",
    leaves: "environment.created",
  },
  [`GET ${environment}`]: { who: "read" },
  [`PATCH ${environment}`]: {
    who: "deploy",
    json: { cluster: "spare" },
    conditional: true,
    plan: true,
    leaves: "environment.changed",
  },
  [`DELETE ${environment}`]: {
    who: "admin",
    conditional: true,
    plan: true,
    leaves: "environment.deleted",
  },
  [`PUT ${environment}/pin`]: {
    who: "deploy",
    json: { image: "v1" },
    conditional: true,
    plan: true,
    leaves: "environment.pinned",
  },
  [`POST ${environment}/promote`]: {
    who: "deploy",
    json: { from: "default" },
    conditional: true,
    plan: true,
    repeated: revised,
    leaves: "environment.pinned",
  },
  [`POST ${environment}/rollback`]: {
    who: "deploy",
    json: {},
    given: pinAnew,
    conditional: true,
    plan: true,
    repeated: { because: "each goes further back" },
    leaves: "environment.pinned",
  },
  [`POST ${environment}/follow`]: {
    who: "deploy",
    json: { tag: "v1" },
    conditional: true,
    plan: true,
    repeated: revised,
    leaves: "environment.pinned",
  },
  [`PUT ${environment}/stop`]: {
    who: "deploy",
    json: { reason: "an incident" },
    conditional: true,
    leaves: "environment.stopped",
  },
  [`DELETE ${environment}/stop`]: {
    who: "admin",
    given: stopEnvironment,
    conditional: true,
    plan: true,
    leaves: "environment.unstopped",
  },
  [`GET ${environment}/candidates`]: { who: "read", whole: "the last of them are kept" },
  [`GET ${environment}/rejections`]: { who: "read", whole: "the last of them are kept" },
  [`POST ${environment}/rejections/:digest/lift`]: {
    who: "deploy",
    json: { note: "it was the network" },
    given: rejectSpare,
    at: { digest: spareDigest },
    repeated: { because: "what is not rejected is not lifted" },
    leaves: "rejection.lifted",
  },
  [`GET ${environment}/changes`]: { who: "read", paged: "changes" },
  [`GET ${environment}/changes/:change`]: { who: "read", whole: "approvals, of which it needs a few" },
  [`POST ${environment}/changes/:change/approve`]: {
    who: "read",
    right: "approve",
    json: {},
    repeated: { because: "nobody counts twice" },
    leaves: "change.approved",
  },
  [`POST ${environment}/changes/:change/reject`]: {
    who: "read",
    right: "approve",
    json: {},
    repeated: ended,
    leaves: "change.ended",
  },
  [`POST ${environment}/changes/:change/withdraw`]: {
    who: "deploy",
    json: {},
    repeated: ended,
    leaves: "change.ended",
  },
  [`GET ${environment}/history`]: { who: "read", paged: "revisions" },
  [`GET ${environment}/resolve`]: { who: "read", whole: "the reasons to refuse, of which there are a few" },
  [`GET ${service}/images`]: { who: "read", paged: "images" },
  [`POST ${service}/images`]: {
    who: "deploy",
    json: { digest: spareDigest, tag: "stolen" },
    repeated: "once",
    leaves: "image.recorded",
  },
  [`POST ${service}/registry-events`]: {
    who: "deploy",
    json: push,
    repeated: { because: "a push that is reported again is the same push" },
    leaves: "image.recorded",
  },
  [`GET ${service}/images/:digest`]: { who: "read", whole: "what uses one image" },
  [`DELETE ${service}/images/:digest`]: {
    who: "admin",
    at: { digest: spareDigest },
    leaves: "image.deleted",
  },
  [`POST ${service}/images/:digest/checks`]: {
    who: "read",
    right: "check",
    json: { name: "e2e", state: "passed" },
    repeated: { because: "the newest word of each name counts" },
    leaves: "check.posted",
  },
  [`GET ${service}/images/:digest/checks`]: { who: "read", whole: "an image has only so many" },
  "POST /v3/agent/backends/:id/status": {
    who: "agent",
    json: ends,
    repeated: { because: "a status does not go backwards" },
    leaves: null,
  },
  "POST /v3/agent/heartbeat": {
    who: "agent",
    json: beat,
    repeated: { because: "each is the whole truth of its moment" },
    leaves: null,
    maxBytes: 1024 * 1024,
  },

  "GET /ready/:id/:token": { who: "public" },
  "GET /ready/:id": { who: "public" },
  "GET /.well-known/jwks.json": { who: "public", whole: "the keys that sign now" },
  "GET /healthz": { who: "public" },
  "GET /v3/openapi.json": { who: "public" },
};
