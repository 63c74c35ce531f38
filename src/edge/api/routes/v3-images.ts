import { ok } from "../../../domain/result.ts";
import { serviceStub } from "../../../objects/stubs.ts";
import * as images from "../../../protocol/v3/images.ts";
import { listQuery } from "../../../protocol/v3/list.ts";
import {
  readRegistryEvents,
  registryEventsAnswer,
  registryEventsBody,
} from "../../../protocol/v3/registry-events.ts";
import { tokenFor } from "../../admission/access.ts";
import { definedFields } from "../../defined.ts";
import { registryHostOf } from "../../origin.ts";
import { nextCursor } from "../next-cursor.ts";
import { defineRoute } from "../route.ts";

export const v3ImageRoutes = [
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/services/:service/images",
    version: "v3",
    access: tokenFor("deploy"),
    body: images.recordImageBody,
    answer: images.image,
    status: 201,
    idempotent: true,
    summary: "Record an image that is kept in another registry",
    handle({ env, request, params, body, actor, idempotency }) {
      const service = serviceStub(env, params.account, params.service);
      return service.recordImage(body, registryHostOf(env, request), actor, idempotency);
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/images",
    version: "v3",
    access: tokenFor("read"),
    query: listQuery,
    answer: images.imageList,
    summary: "List images, newest first",
    async handle({ env, request, params, query }) {
      const service = serviceStub(env, params.account, params.service);
      const page = await service.listImages(query, registryHostOf(env, request));
      return page.ok ? ok({ images: page.value.items, ...nextCursor(page.value) }) : page;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/images/:digest",
    version: "v3",
    access: tokenFor("read"),
    answer: images.imageDetail,
    summary: "An image, with the environments and live backends that use it",
    handle({ env, request, params }) {
      const service = serviceStub(env, params.account, params.service);
      return service.getImage(params.digest, registryHostOf(env, request));
    },
  }),
  defineRoute({
    method: "DELETE",
    path: "/v3/accounts/:account/services/:service/images/:digest",
    version: "v3",
    access: tokenFor("admin"),
    status: 204,
    summary: "Forget an image",
    handle: ({ env, params, actor }) =>
      serviceStub(env, params.account, params.service).deleteImage(params.digest, actor),
  }),
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/services/:service/registry-events",
    version: "v3",
    access: tokenFor("deploy"),
    body: registryEventsBody,
    answer: registryEventsAnswer,
    summary: "Record the pushes that another registry notifies of",
    async handle({ env, request, params, body, actor }) {
      const { pushes, ignored } = readRegistryEvents(body);
      const service = serviceStub(env, params.account, params.service);
      // One after another: a tag stands on the one that came last. A notification that is repeated changes nothing.
      for (const push of pushes) {
        const recorded = await service.recordImage(push, registryHostOf(env, request), actor);
        if (!recorded.ok) return recorded;
      }
      const recorded = pushes.map(({ digest, tag }) => definedFields({ digest, tag }));
      return ok({ recorded, ignored });
    },
  }),
];
