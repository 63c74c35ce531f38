import { ok } from "../../../domain/result.ts";
import * as drains from "../../../protocol/v3/drains.ts";
import { listQuery } from "../../../protocol/v3/list.ts";
import { tokenFor, tokenForNamed } from "../../admission/access.ts";
import { streamDrain } from "../../streams/drain-stream.ts";
import { pageCursors } from "../page-cursors.ts";
import { defineRoute } from "../route.ts";
import { serviceOf } from "../service-of.ts";

export const v3DrainRoutes = [
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/services/:service/drains",
    version: "v3",
    access: tokenForNamed("deploy"),
    body: drains.createDrainBody,
    answer: drains.drain,
    status: 201,
    names: { drain: "/id" },
    idempotent: true,
    summary: "Begin to end what environments do not run any more, softly and at a rate, in the background",
    handle: (call) => serviceOf(call).createDrain(call.body, call.caller),
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/drains",
    version: "v3",
    access: tokenFor("read"),
    query: listQuery,
    answer: drains.drainList,
    summary: "Drains that are under way, and the last that are over, newest first",
    async handle(call) {
      const page = await serviceOf(call).listDrains(call.query, call.actor.environments);
      return page.ok ? ok({ drains: page.value.items, ...pageCursors(page.value) }) : page;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/drains/:drain",
    version: "v3",
    access: tokenFor("read"),
    answer: drains.drain,
    names: { drain: "/id" },
    summary: "How far a drain is",
    handle: (call) => serviceOf(call).getDrain(call.params.drain, call.actor.environments),
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/drains/:drain/stream",
    version: "v3",
    access: tokenFor("read"),
    produces: "text/event-stream",
    summary: "How far a drain is, now and whenever that changes, until it is over",
    handle: (call) => streamDrain(call, call.params),
  }),
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/services/:service/drains/:drain/cancel",
    version: "v3",
    access: tokenForNamed("deploy"),
    answer: drains.drain,
    summary: "Cancel a drain: what it has not ended goes on",
    handle: (call) => serviceOf(call).cancelDrain(call.params.drain, call.caller),
  }),
];
