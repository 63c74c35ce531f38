import { runningBackendsListed, servicesListed } from "../../../domain/limits.ts";
import { ok } from "../../../domain/result.ts";
import { serviceStub } from "../../../objects/stubs.ts";
import * as v1 from "../../../protocol/jamsocket/v1.ts";
import { runningBackendsAnswer, servicesAnswer } from "../../../protocol/jamsocket/v2.ts";
import { anyToken, publicAccess, tokenFor } from "../../admission/access.ts";
import { definedFields } from "../../defined-fields.ts";
import { registryHostOf } from "../../origin.ts";
import { streamOutput } from "../../streams/backend-output.ts";
import { streamStatuses } from "../../streams/status-stream.ts";
import { currentStatus, describeBackend } from "../../views/backend-views.ts";
import { connect } from "../../views/connection.ts";
import { createService, listServices } from "../../views/jamsocket-services.ts";
import { runningBackends } from "../../views/running-backends.ts";
import { imageName } from "../../views/service-views.ts";
import { defineRoute } from "../route.ts";
import { v1LoginRoutes } from "./v1-logins.ts";

const statusOk = { status: "ok" } as const;

export const v1Routes = [
  defineRoute({
    method: "GET",
    path: "/auth",
    version: "v1",
    access: anyToken,
    answer: v1.authAnswer,
    summary: "Whose token this is",
    handle: ({ identity }) => ok({ ...statusOk, accounts: [identity.account], is_admin: false }),
  }),
  defineRoute({
    method: "POST",
    path: "/user/:account/service",
    version: "v1",
    access: tokenFor("deploy"),
    body: v1.createServiceBody,
    answer: v1.statusOk,
    summary: "Create a service",
    handle: createService,
  }),
  defineRoute({
    method: "GET",
    path: "/user/:account/services",
    version: "v1",
    access: tokenFor("read"),
    answer: servicesAnswer,
    summary: `List the names of the services, the first ${servicesListed}`,
    handle: listServices,
  }),
  defineRoute({
    method: "GET",
    path: "/service/:account/:service/image-name",
    version: "v1",
    access: tokenFor("read"),
    answer: v1.imageNameAnswer,
    summary: "The name under which images are pushed",
    async handle({ env, request, params: { account, service } }) {
      const found = await serviceStub(env, account, service).exists();
      if (!found.ok) return found;
      return ok({ ...statusOk, imageName: imageName(registryHostOf(env, request), account, service) });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/user/:account/service/:service/spawn",
    version: "v1",
    access: tokenFor("spawn"),
    body: v1.spawnBody,
    answer: v1.spawnAnswer,
    idempotent: true,
    summary: "Spawn a backend, or find the one that holds the lock",
    async handle({ env, request, params: place, body, caller }) {
      const params = definedFields({
        environment: body.service_environment,
        key: body.lock,
        spawn: definedFields({
          tag: body.tag,
          maxIdleSeconds: body.grace_period_seconds,
          env: body.env,
          port: body.port,
          requireBearerToken: body.require_bearer_token,
        }),
      });
      const connected = await connect({ env, request, caller }, place, params, {});
      if (!connected.ok) return connected;
      const connection = connected.value;
      return ok({
        name: connection.backendId,
        url: connection.url,
        ready_url: connection.readyUrl,
        status_url: `${connection.origin}/backend/${connection.backendId}/status`,
        status: v1.v1StateName({ status: connection.status, time: connection.statusAt }),
        spawned: connection.spawned,
        ...(connection.requireBearerToken ? { bearer_token: connection.token } : {}),
      });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/user/:account/backends",
    version: "v1",
    access: tokenFor("read"),
    answer: runningBackendsAnswer,
    summary: `List the live backends, the newest ${runningBackendsListed}`,
    handle: ({ env, params }) => runningBackends(env, params.account),
  }),
  defineRoute({
    method: "GET",
    path: "/backend/:id/status",
    version: "v1",
    access: publicAccess,
    cors: true,
    answer: v1.v1State,
    summary: "The status of a backend",
    async handle({ env, backend }) {
      const described = await describeBackend(env, backend);
      return described.ok ? ok(v1.toV1State(backend.id, currentStatus(described.value))) : described;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/backend/:id/status/stream",
    version: "v1",
    access: publicAccess,
    cors: true,
    produces: "text/event-stream",
    summary: "The statuses of a backend so far, and then as they come",
    handle(call) {
      let last: string | undefined;
      return streamStatuses(call, (entry) => {
        const state = v1.toV1State(call.backend.id, entry);
        if (state.state === last) return null;
        last = state.state;
        return state;
      });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/backend/:id/logs",
    version: "v1",
    access: tokenFor("read"),
    produces: "text/event-stream",
    summary: "The output of a backend",
    handle: (call) => streamOutput(call, "logs"),
  }),
  defineRoute({
    method: "POST",
    path: "/backend/:id/terminate",
    version: "v1",
    access: tokenFor("spawn"),
    answer: v1.statusOk,
    summary: "Terminate a backend at once",
    async handle({ env, backend, caller }) {
      const { account, service, id } = backend;
      const terminated = await serviceStub(env, account, service).terminate(id, true, caller);
      return terminated.ok ? ok(statusOk) : terminated;
    },
  }),
  defineRoute({
    method: "POST",
    path: "/service/:account/:service/terminate-backends",
    version: "v1",
    access: tokenFor("spawn"),
    body: v1.terminateBackendsBody,
    answer: v1.terminateBackendsAnswer,
    summary: "Terminate the backends of a service",
    async handle({ env, params, body, caller }) {
      const before = body.before === undefined ? null : Date.parse(body.before);
      const request = { before, hard: body.hard, dryRun: body.dry_run };
      const ended = await serviceStub(env, params.account, params.service).terminateAll(request, caller);
      if (!ended.ok) return ended;
      const { matched, terminated, complete } = ended.value;
      return ok({ backend_count: matched, terminated_count: terminated, is_complete: complete });
    },
  }),
  ...v1LoginRoutes,
];
