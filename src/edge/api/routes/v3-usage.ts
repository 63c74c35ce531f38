import { ok } from "../../../domain/result.ts";
import { serviceStub } from "../../../objects/stubs.ts";
import { usageAnswer, usageQuery, usageRange, usageView } from "../../../protocol/v3/usage.ts";
import { tokenFor } from "../../admission/access.ts";
import { definedFields } from "../../defined-fields.ts";
import { defineRoute } from "../route.ts";

export const v3UsageRoutes = [
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/usage",
    version: "v3",
    access: tokenFor("read"),
    query: usageQuery,
    answer: usageAnswer,
    summary: "Spawns over time and start-up times of each environment",
    async handle({ env, params, query, actor }) {
      const request = definedFields({ ...usageRange(query, Date.now()), environments: actor.environments });
      const usage = await serviceStub(env, params.account, params.service).usage(request);
      return usage.ok ? ok(usageView(usage.value, query.step_seconds)) : usage;
    },
  }),
];
