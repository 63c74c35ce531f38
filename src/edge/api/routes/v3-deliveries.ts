import { ok } from "../../../domain/result.ts";
import * as deliveries from "../../../protocol/v3/deliveries.ts";
import { tokenFor } from "../../admission/access.ts";
import { deliveryLog } from "../../views/delivery-log.ts";
import { pageCursors } from "../page-cursors.ts";
import { defineRoute } from "../route.ts";

export const v3DeliveryRoutes = [
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/clusters/:cluster/deliveries",
    version: "v3",
    access: tokenFor("read"),
    query: deliveries.deliveryQuery,
    answer: deliveries.deliveryList,
    names: { delivery: "/deliveries/0/id" },
    summary:
      "A cluster's webhooks with each attempt to deliver them, newest first; can be some seconds behind",
    async handle({ env, params: { account, cluster }, query }) {
      const log = await deliveryLog(env, account, cluster);
      if (!log.ok) return log;
      const page = await log.value.listDeliveries(account, cluster, query);
      return page.ok ? ok({ deliveries: page.value.items, ...pageCursors(page.value) }) : page;
    },
  }),
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/clusters/:cluster/deliveries/:delivery/redeliver",
    version: "v3",
    access: tokenFor("admin"),
    answer: deliveries.deliveryAttempt,
    summary: "Send a webhook again now, with the same id, while it is of use, and tell what it met",
    async handle({ env, params: { account, cluster, delivery } }) {
      const log = await deliveryLog(env, account, cluster);
      return log.ok ? log.value.redeliver(account, cluster, delivery) : log;
    },
  }),
];
