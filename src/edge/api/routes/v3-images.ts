import { notificationTextMaxCharacters } from "../../../domain/limits.ts";
import { ok } from "../../../domain/result.ts";
import { serviceStub } from "../../../objects/stubs.ts";
import * as images from "../../../protocol/v3/images.ts";
import {
  readRegistryEvents,
  registryEventsAnswer,
  registryEventsBody,
} from "../../../protocol/v3/registry-events.ts";
import { tokenFor } from "../../admission/access.ts";
import { definedFields } from "../../defined-fields.ts";
import { pageCursors } from "../page-cursors.ts";
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
    names: { digest: "/digest" },
    idempotent: true,
    summary: "Record an image that is kept in another registry",
    handle: ({ env, params, body, caller }) =>
      serviceStub(env, params.account, params.service).recordImage(body, caller),
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/images",
    version: "v3",
    access: tokenFor("read"),
    query: images.imageQuery,
    answer: images.imageList,
    summary: "List images, newest first",
    async handle({ env, params, query, caller }) {
      const page = await serviceStub(env, params.account, params.service).listImages(query, caller);
      return page.ok ? ok({ images: page.value.items, ...pageCursors(page.value) }) : page;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/images/:digest",
    version: "v3",
    access: tokenFor("read"),
    answer: images.imageDetail,
    names: { digest: "/digest" },
    summary: "An image, with the environments and live backends that use it",
    handle: ({ env, params, caller }) =>
      serviceStub(env, params.account, params.service).getImage(
        params.digest,
        caller,
        caller.actor.environments,
      ),
  }),
  defineRoute({
    method: "DELETE",
    path: "/v3/accounts/:account/services/:service/images/:digest",
    version: "v3",
    access: tokenFor("admin"),
    status: 204,
    summary: "Forget an image",
    handle: ({ env, params, caller }) =>
      serviceStub(env, params.account, params.service).deleteImage(params.digest, caller),
  }),
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/services/:service/registry-events",
    version: "v3",
    access: tokenFor("deploy"),
    body: registryEventsBody,
    answer: registryEventsAnswer,
    summary: "Record the pushes that another registry notifies of",
    async handle({ request, env, params, body, caller }) {
      const { images: notified, ignored } = readRegistryEvents(body, deliveryOf(request));
      const service = serviceStub(env, params.account, params.service);
      const recorded = [];
      // In order: the last one wins a tag.
      for (const { push, notice } of notified) {
        const outcome = await service.recordNotified(push, notice, caller);
        if (!outcome.ok) return outcome;
        const { digest, tag } = push;
        if (outcome.value !== null) recorded.push(definedFields({ digest, tag }));
      }
      return ok({ recorded, repeated: notified.length - recorded.length, ignored });
    },
  }),
];

/** The id of GitHub's delivery, as far as it can be one: it is kept. */
function deliveryOf(request: Request): string | null {
  const id = request.headers.get("x-github-delivery");
  return id !== null && id.length <= notificationTextMaxCharacters ? id : null;
}
