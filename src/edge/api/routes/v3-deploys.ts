import { ok } from "../../../domain/result.ts";
import * as deploys from "../../../protocol/v3/deploys.ts";
import { listQuery } from "../../../protocol/v3/list.ts";
import * as services from "../../../protocol/v3/services.ts";
import { tokenFor } from "../../admission/access.ts";
import { definedFields } from "../../defined-fields.ts";
import { pageCursors } from "../page-cursors.ts";
import { defineChangeRoute, defineRoute } from "../route.ts";
import { revisionOf, serviceOf } from "../service-of.ts";

export const v3DeployRoutes = [
  defineChangeRoute({
    method: "POST",
    path: "/v3/accounts/:account/services/:service/environments/:environment/promote",
    version: "v3",
    access: tokenFor("deploy"),
    body: deploys.promoteBody,
    answer: services.pinAnswer,
    revisionOf,
    conditional: true,
    summary: "Pin an environment to what another one resolves to now",
    handle: (call, mode) =>
      serviceOf(call).move(
        call.params.environment,
        { kind: "promote", ...definedFields(call.body) },
        call.caller,
        mode,
      ),
  }),
  defineChangeRoute({
    method: "POST",
    path: "/v3/accounts/:account/services/:service/environments/:environment/rollback",
    version: "v3",
    access: tokenFor("deploy"),
    body: deploys.rollbackBody,
    answer: services.pinAnswer,
    revisionOf,
    conditional: true,
    summary: "Pin an environment to what an earlier revision resolved to, and reject what it goes away from",
    handle: (call, mode) =>
      serviceOf(call).move(
        call.params.environment,
        { kind: "rollback", ...definedFields(call.body) },
        call.caller,
        mode,
      ),
  }),
  defineChangeRoute({
    method: "POST",
    path: "/v3/accounts/:account/services/:service/environments/:environment/follow",
    version: "v3",
    access: tokenFor("deploy"),
    body: deploys.followBody,
    answer: services.pinAnswer,
    revisionOf,
    conditional: true,
    summary: "Have an environment follow a tag again; what is held back of it stays a candidate",
    handle: (call, mode) =>
      serviceOf(call).move(
        call.params.environment,
        { kind: "follow", ...definedFields(call.body) },
        call.caller,
        mode,
      ),
  }),
  defineRoute({
    method: "PUT",
    path: "/v3/accounts/:account/services/:service/environments/:environment/stop",
    version: "v3",
    access: tokenFor("deploy"),
    body: deploys.stopBody,
    answer: services.environment,
    revisionOf,
    conditional: true,
    summary: "Stop an environment: nothing changes it until that is taken back",
    handle: (call) => serviceOf(call).stop(call.params.environment, call.body.reason, call.caller),
  }),
  defineChangeRoute({
    method: "DELETE",
    path: "/v3/accounts/:account/services/:service/environments/:environment/stop",
    version: "v3",
    access: tokenFor("admin"),
    answer: services.environment,
    revisionOf,
    conditional: true,
    summary: "Take an environment's stop back",
    handle: (call, mode) => serviceOf(call).unstop(call.params.environment, call.caller, mode),
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/environments/:environment/candidates",
    version: "v3",
    access: tokenFor("read"),
    answer: deploys.candidateList,
    summary: "Pushes that were held back from an environment, newest first",
    async handle(call) {
      const found = await serviceOf(call).candidates(call.params.environment, call.actor.environments);
      return found.ok ? ok({ candidates: found.value }) : found;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/environments/:environment/rejections",
    version: "v3",
    access: tokenFor("read"),
    answer: deploys.rejectionList,
    summary: "Digests that an environment was rolled back from, newest first",
    async handle(call) {
      const found = await serviceOf(call).rejections(call.params.environment, call.actor.environments);
      return found.ok ? ok({ rejections: found.value }) : found;
    },
  }),
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/services/:service/environments/:environment/rejections/:digest/lift",
    version: "v3",
    access: tokenFor("deploy"),
    body: deploys.liftBody,
    status: 204,
    summary: "Have a rejected digest be as any other again",
    handle: (call) => {
      const { environment, digest } = call.params;
      return serviceOf(call).liftRejection(environment, digest, call.body.note, call.caller);
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/environments/:environment/changes",
    version: "v3",
    access: tokenFor("read"),
    query: listQuery,
    answer: deploys.changeList,
    summary: "Changes of an environment that wait, or waited, for approval, newest first",
    async handle(call) {
      const { environment } = call.params;
      const page = await serviceOf(call).changes(environment, call.query, call.actor.environments);
      return page.ok ? ok({ changes: page.value.items, ...pageCursors(page.value) }) : page;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/environments/:environment/changes/:change",
    version: "v3",
    access: tokenFor("read"),
    answer: deploys.change,
    names: { change: "/id" },
    summary: "A change of an environment",
    handle: (call) => {
      const { environment, change } = call.params;
      return serviceOf(call).change(environment, change, call.actor.environments);
    },
  }),
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/services/:service/environments/:environment/changes/:change/approve",
    version: "v3",
    access: tokenFor("read"),
    body: deploys.changeNoteBody,
    answer: deploys.change,
    summary: "Approve of somebody else's change, with the right to; it is carried out where enough have",
    handle: (call) =>
      serviceOf(call).approve(call.params.environment, call.params.change, call.body.note, call.caller),
  }),
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/services/:service/environments/:environment/changes/:change/reject",
    version: "v3",
    access: tokenFor("read"),
    body: deploys.changeNoteBody,
    answer: deploys.change,
    summary: "Reject a change, with the right to approve",
    handle: (call) => {
      const { environment, change } = call.params;
      return serviceOf(call).endChange(environment, change, "rejected", call.body.note, call.caller);
    },
  }),
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/services/:service/environments/:environment/changes/:change/withdraw",
    version: "v3",
    access: tokenFor("deploy"),
    body: deploys.changeNoteBody,
    answer: deploys.change,
    summary: "Withdraw one's own change",
    handle: (call) => {
      const { environment, change } = call.params;
      return serviceOf(call).endChange(environment, change, "withdrawn", call.body.note, call.caller);
    },
  }),
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/services/:service/images/:digest/checks",
    version: "v3",
    access: tokenFor("read"),
    body: deploys.checkBody,
    answer: deploys.check,
    summary: "Post what a check outside says of an image, with the right to; its newest word counts",
    handle: (call) => serviceOf(call).postCheck(call.params.digest, definedFields(call.body), call.caller),
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/images/:digest/checks",
    version: "v3",
    access: tokenFor("read"),
    answer: deploys.checkList,
    summary: "What checks outside say of an image",
    async handle(call) {
      const found = await serviceOf(call).checks(call.params.digest);
      return found.ok ? ok({ checks: found.value }) : found;
    },
  }),
];
