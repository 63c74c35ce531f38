import { ok } from "../../../domain/result.ts";
import type { Caller, SpawnParams } from "../../../objects/contract.ts";
import type { Env } from "../../../objects/env.ts";
import { serviceStub } from "../../../objects/stubs.ts";
import { publicState, toFullState, toPublicState } from "../../../protocol/backend-state.ts";
import { statusOk as statusOkAnswer } from "../../../protocol/jamsocket/v1.ts";
import * as v2 from "../../../protocol/jamsocket/v2.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import { publicAccess, tokenFor } from "../../admission/access.ts";
import { definedFields } from "../../defined-fields.ts";
import { streamOutput } from "../../streams/backend-output.ts";
import { streamStatuses } from "../../streams/status-stream.ts";
import { currentStatus, describeBackend, describeBackendTo } from "../../views/backend-views.ts";
import { connect, type GrantedConnection } from "../../views/connection.ts";
import { defineRoute } from "../route.ts";

function spawnParams(spawn: v2.ConnectBody["spawn"]): SpawnParams | null {
  if (spawn === false) return null;
  if (spawn === undefined || spawn === true) return {};
  return definedFields({
    tag: spawn.tag,
    cluster: spawn.cluster,
    force: spawn.force,
    lifetimeLimitSeconds: spawn.lifetime_limit_seconds,
    maxIdleSeconds: spawn.max_idle_seconds,
    mount: spawn.executable?.mount,
    env: spawn.executable?.env,
    resources: spawn.executable?.resource_limits,
  });
}

function connectAnswer(connection: GrantedConnection) {
  return {
    backend_id: connection.backendId,
    spawned: connection.spawned,
    status: connection.status,
    token: connection.token,
    url: connection.url,
    secret_token: connection.secretToken,
    status_url: `${connection.origin}/v2/backend/${connection.backendId}/status`,
    ready_url: connection.readyUrl,
  };
}

interface ConnectRequest {
  env: Env;
  request: Request;
  params: { account: string; service: string };
  body: v2.ConnectBody;
  caller: Caller;
}

async function connectTo(
  { env, request, params: place, body, caller }: ConnectRequest,
  environment: string | undefined,
) {
  const params = definedFields({ environment, key: body.key, spawn: spawnParams(body.spawn) });
  const user = { user: body.user, auth: body.auth };
  const connected = await connect({ env, request, caller }, place, params, user);
  return connected.ok ? ok(connectAnswer(connected.value)) : connected;
}

export const v2BackendRoutes = [
  defineRoute({
    method: "POST",
    path: "/v2/service/:account/:service/connect",
    version: "v2",
    access: tokenFor("spawn"),
    body: v2.connectBody,
    answer: v2.connectAnswer,
    idempotent: true,
    summary: "Connect to a backend of the default environment, starting one if need be",
    handle: (call) => connectTo(call, undefined),
  }),
  defineRoute({
    method: "POST",
    path: "/v2/service/:account/:service/:environment/connect",
    version: "v2",
    access: tokenFor("spawn"),
    body: v2.connectBody,
    answer: v2.connectAnswer,
    idempotent: true,
    summary: "Connect to a backend of an environment, starting one if need be",
    handle: (call) => connectTo(call, call.params.environment),
  }),
  defineRoute({
    method: "GET",
    path: "/v2/backend/:id",
    version: "v2",
    access: tokenFor("read"),
    answer: v2.backendAnswer,
    summary: "A backend and its statuses",
    async handle({ env, backend, actor }) {
      const described = await describeBackendTo(actor, env, backend);
      if (!described.ok) return described;
      const { info, history } = described.value;
      return ok({
        id: info.id,
        created_at: isoTime(info.createdAt),
        service_name: info.service,
        cluster_name: info.cluster,
        account_name: info.account,
        statuses: history.map(toFullState),
        image_digest: info.digest,
        ...(info.key === null ? {} : { key: info.key }),
        environment_name: info.environment,
      });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v2/backend/:id/status",
    version: "v2",
    access: publicAccess,
    cors: true,
    answer: publicState,
    summary: "The status of a backend",
    async handle({ env, backend }) {
      const described = await describeBackend(env, backend);
      return described.ok ? ok(toPublicState(currentStatus(described.value))) : described;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v2/backend/:id/status/stream",
    version: "v2",
    access: publicAccess,
    cors: true,
    produces: "text/event-stream",
    summary: "The statuses of a backend so far, and then as they come",
    handle: (call) => streamStatuses(call, toPublicState),
  }),
  defineRoute({
    method: "GET",
    path: "/v2/backend/:id/logs/stream",
    version: "v2",
    access: tokenFor("read"),
    produces: "text/event-stream",
    summary: "The output of a backend",
    handle: (call) => streamOutput(call, "logs"),
  }),
  defineRoute({
    method: "GET",
    path: "/v2/backend/:id/metrics/stream",
    version: "v2",
    access: tokenFor("read"),
    produces: "text/event-stream",
    summary: "What a backend uses",
    handle: (call) => streamOutput(call, "metrics"),
  }),
  defineRoute({
    method: "POST",
    path: "/v2/backend/:id/terminate",
    version: "v2",
    access: tokenFor("spawn"),
    body: v2.terminateBody,
    answer: statusOkAnswer,
    summary: "Terminate a backend: softly, unless `hard` is true",
    async handle({ env, backend, body, caller }) {
      const { account, service, id } = backend;
      const terminated = await serviceStub(env, account, service).terminate(id, body.hard ?? false, caller);
      return terminated.ok ? ok({ status: "ok" } as const) : terminated;
    },
  }),
];
