import { ok } from "../../../domain/result.ts";
import { accountStub, serviceStub } from "../../../objects/stubs.ts";
import { backendList, backendQuery } from "../../../protocol/v3/backends.ts";
import * as services from "../../../protocol/v3/services.ts";
import { tokenFor } from "../../admission/access.ts";
import { definedFields } from "../../defined-fields.ts";
import { registryHostOf } from "../../origin.ts";
import { hintOf } from "../../request-origin.ts";
import { serviceView } from "../../views/service-views.ts";
import { pageCursors } from "../page-cursors.ts";
import { defineRoute } from "../route.ts";

export const v3ServiceRoutes = [
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/services",
    version: "v3",
    access: tokenFor("deploy"),
    body: services.createServiceBody,
    answer: services.service,
    status: 201,
    names: { service: "/name" },
    idempotent: true,
    summary: "Create a service, with the environment `default`",
    async handle({ env, request, params, body, caller }) {
      const account = accountStub(env, params.account);
      const created = await account.createService({ ...definedFields(body), ...hintOf(request) }, caller);
      return created.ok ? ok(serviceView(created.value, registryHostOf(env, request))) : created;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services",
    version: "v3",
    access: tokenFor("read"),
    query: services.serviceQuery,
    answer: services.serviceList,
    summary: "List services, newest first",
    async handle({ env, params, query }) {
      const page = await accountStub(env, params.account).listServices(query);
      return page.ok ? ok({ services: page.value.items, ...pageCursors(page.value) }) : page;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service",
    version: "v3",
    access: tokenFor("read"),
    answer: services.service,
    names: { service: "/name" },
    summary: "A service",
    async handle({ env, request, params, actor }) {
      const described = await serviceStub(env, params.account, params.service).describe(
        actor.environments,
        0,
      );
      return described.ok ? ok(serviceView(described.value, registryHostOf(env, request))) : described;
    },
  }),
  defineRoute({
    method: "PATCH",
    path: "/v3/accounts/:account/services/:service",
    version: "v3",
    access: tokenFor("deploy"),
    body: services.patchServiceBody,
    answer: services.service,
    summary: "Change a service's default environment",
    async handle({ env, request, params, body, caller }) {
      const patched = await serviceStub(env, params.account, params.service).patch(body, caller);
      return patched.ok ? ok(serviceView(patched.value, registryHostOf(env, request))) : patched;
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/v3/accounts/:account/services/:service",
    version: "v3",
    access: tokenFor("admin"),
    status: 204,
    summary: "Delete a service and end its backends",
    handle: ({ env, params, caller }) =>
      accountStub(env, params.account).deleteService(params.service, caller),
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/backends",
    version: "v3",
    access: tokenFor("read"),
    query: backendQuery,
    answer: backendList,
    names: { id: "/backends/0/id" },
    summary: "List a service's backends, newest first; live ones unless a status is named",
    async handle({ env, params, query, actor }) {
      const owner = serviceStub(env, params.account, params.service);
      const page = await owner.listBackends(query, actor.environments);
      return page.ok ? ok({ backends: page.value.items, ...pageCursors(page.value) }) : page;
    },
  }),
];
