import { runningBackendsListed, servicesListed } from "../../../domain/limits.ts";
import { ok } from "../../../domain/result.ts";
import { accountStub, serviceStub } from "../../../objects/stubs.ts";
import { createServiceBody, statusOk as statusOkAnswer } from "../../../protocol/jamsocket/v1.ts";
import * as v2 from "../../../protocol/jamsocket/v2.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import { tokenFor } from "../../admission/access.ts";
import { registryHostOf } from "../../origin.ts";
import { createService, listServices } from "../../views/jamsocket-services.ts";
import { runningBackends } from "../../views/running-backends.ts";
import { v2ServiceView } from "../../views/service-views.ts";
import { defineRoute } from "../route.ts";

const statusOk = { status: "ok" } as const;

export const v2ServiceRoutes = [
  defineRoute({
    method: "POST",
    path: "/v2/account/:account/service",
    version: "v2",
    access: tokenFor("deploy"),
    body: createServiceBody,
    answer: statusOkAnswer,
    summary: "Create a service",
    handle: createService,
  }),
  defineRoute({
    method: "GET",
    path: "/v2/account/:account/services",
    version: "v2",
    access: tokenFor("read"),
    answer: v2.servicesAnswer,
    summary: `List the names of the services, the first ${servicesListed}`,
    handle: listServices,
  }),
  defineRoute({
    method: "GET",
    path: "/v2/account/:account/backends",
    version: "v2",
    access: tokenFor("read"),
    answer: v2.runningBackendsAnswer,
    summary: `List the live backends, the newest ${runningBackendsListed}`,
    handle: ({ env, params }) => runningBackends(env, params.account),
  }),
  defineRoute({
    method: "GET",
    path: "/v2/service/:account/:service",
    version: "v2",
    access: tokenFor("read"),
    answer: v2.serviceAnswer,
    summary: "A service and its environments",
    async handle({ env, request, params, actor }) {
      const described = await serviceStub(env, params.account, params.service).describe(actor.environments);
      return described.ok ? ok(v2ServiceView(described.value, registryHostOf(env, request))) : described;
    },
  }),
  defineRoute({
    method: "POST",
    path: "/v2/service/:account/:service/delete",
    version: "v2",
    access: tokenFor("admin"),
    answer: statusOkAnswer,
    summary: "Delete a service",
    async handle({ env, params, caller }) {
      const deleted = await accountStub(env, params.account).deleteService(params.service, caller);
      return deleted.ok ? ok(statusOk) : deleted;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v2/service/:account/:service/images",
    version: "v2",
    access: tokenFor("read"),
    answer: v2.imagesAnswer,
    summary: "The most recent pushes, newest first",
    async handle({ env, params, caller }) {
      const recent = await serviceStub(env, params.account, params.service).recentImages(caller);
      if (!recent.ok) return recent;
      const images = recent.value.map(({ repository, digest, tag, uploadedAt }) => ({
        repository,
        digest,
        tag: tag ?? "",
        upload_time: isoTime(uploadedAt),
      }));
      return ok({ images });
    },
  }),
  defineRoute({
    method: "POST",
    path: "/v2/service/:account/:service/update",
    version: "v2",
    access: tokenFor("deploy"),
    body: v2.updateBody,
    answer: statusOkAnswer,
    summary: "Pin the service's default environment",
    async handle({ env, params, body, caller }) {
      const service = serviceStub(env, params.account, params.service);
      const pinned = await service.pin(undefined, { image: body.image_tag }, caller);
      return pinned.ok ? ok(statusOk) : pinned;
    },
  }),
  defineRoute({
    method: "POST",
    path: "/v2/service/:account/:service/:environment/update",
    version: "v2",
    access: tokenFor("deploy"),
    body: v2.updateBody,
    answer: statusOkAnswer,
    summary: "Pin an environment",
    async handle({ env, params, body, caller }) {
      const service = serviceStub(env, params.account, params.service);
      const pinned = await service.pin(params.environment, { image: body.image_tag }, caller);
      return pinned.ok ? ok(statusOk) : pinned;
    },
  }),
];
