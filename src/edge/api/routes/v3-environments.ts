import { ok } from "../../../domain/result.ts";
import { listQuery } from "../../../protocol/v3/list.ts";
import * as services from "../../../protocol/v3/services.ts";
import { tokenFor } from "../../admission/access.ts";
import { definedFields } from "../../defined-fields.ts";
import { pageCursors } from "../page-cursors.ts";
import { defineChangeRoute, defineRoute } from "../route.ts";
import { revisionOf, serviceOf } from "../service-of.ts";

export const v3EnvironmentRoutes = [
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/services/:service/environments",
    version: "v3",
    access: tokenFor("deploy"),
    body: services.createEnvironmentBody,
    answer: services.environment,
    status: 201,
    names: { environment: "/name" },
    revisionOf,
    idempotent: true,
    summary: "Create an environment",
    handle: (call) => serviceOf(call).createEnvironment(call.body, call.caller),
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/environments",
    version: "v3",
    access: tokenFor("read"),
    query: services.environmentQuery,
    answer: services.environmentList,
    summary: "List environments, newest first",
    async handle(call) {
      const page = await serviceOf(call).listEnvironments(call.query, call.actor.environments);
      return page.ok ? ok({ environments: page.value.items, ...pageCursors(page.value) }) : page;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/environments/:environment",
    version: "v3",
    access: tokenFor("read"),
    answer: services.environment,
    names: { environment: "/name" },
    revisionOf,
    summary: "An environment",
    handle: (call) => serviceOf(call).getEnvironment(call.params.environment, call.actor.environments),
  }),
  defineChangeRoute({
    method: "PATCH",
    path: "/v3/accounts/:account/services/:service/environments/:environment",
    version: "v3",
    access: tokenFor("deploy"),
    body: services.patchEnvironmentBody,
    answer: services.environment,
    revisionOf,
    conditional: true,
    summary: "Change an environment's cluster or settings",
    handle: (call, mode) =>
      serviceOf(call).patchEnvironment(call.params.environment, call.body, call.caller, mode),
  }),
  defineChangeRoute({
    method: "DELETE",
    path: "/v3/accounts/:account/services/:service/environments/:environment",
    version: "v3",
    access: tokenFor("admin"),
    status: 204,
    conditional: true,
    summary: "Delete an environment",
    handle: (call, mode) => serviceOf(call).deleteEnvironment(call.params.environment, call.caller, mode),
  }),
  defineChangeRoute({
    method: "PUT",
    path: "/v3/accounts/:account/services/:service/environments/:environment/pin",
    version: "v3",
    access: tokenFor("deploy"),
    body: services.pinBody,
    answer: services.pinAnswer,
    revisionOf,
    conditional: true,
    summary: "Pin an environment to a tag or a digest",
    handle: (call, mode) =>
      serviceOf(call).move(
        call.params.environment,
        { kind: "pin", ...definedFields(call.body) },
        call.caller,
        mode,
      ),
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/environments/:environment/history",
    version: "v3",
    access: tokenFor("read"),
    query: listQuery,
    answer: services.history,
    summary: "The newest 1,000 revisions of an environment's pin, newest first",
    async handle(call) {
      const { environment } = call.params;
      const page = await serviceOf(call).history(environment, call.query, call.actor.environments);
      return page.ok ? ok({ revisions: page.value.items, ...pageCursors(page.value) }) : page;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/environments/:environment/resolve",
    version: "v3",
    access: tokenFor("read"),
    query: services.resolveQuery,
    answer: services.resolveAnswer,
    revisionOf,
    summary: "What a spawn would do now, without doing it",
    handle: (call) =>
      serviceOf(call).resolve(call.params.environment, definedFields(call.query), call.actor.environments),
  }),
];
