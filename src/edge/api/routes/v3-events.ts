import { ok } from "../../../domain/result.ts";
import { accountStub } from "../../../objects/stubs.ts";
import { eventList, eventQuery } from "../../../protocol/v3/events.ts";
import { tokenFor } from "../../admission/access.ts";
import { streamEvents, wantsEventStream } from "../../streams/event-stream.ts";
import { pageCursors } from "../page-cursors.ts";
import { defineRoute } from "../route.ts";

export const v3EventRoutes = [
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/events",
    version: "v3",
    access: tokenFor("read"),
    targetIn: "query",
    query: eventQuery,
    answer: eventList,
    summary: "What was done, by whom, newest first; with `Accept: text/event-stream` live",
    async handle(call) {
      const { env, query, actor } = call;
      const { account } = call.params;
      if (wantsEventStream(call.request)) {
        const { limit, cursor, ...filter } = query;
        return streamEvents(call, account, { ...filter, allowedEnvironments: actor.environments });
      }
      const page = await accountStub(env, account).listEvents(query, actor.environments);
      return page.ok ? ok({ events: page.value.items, ...pageCursors(page.value) }) : page;
    },
  }),
];
