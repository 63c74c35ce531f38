import { ok } from "../../../domain/result.ts";
import { serviceStub } from "../../../objects/stubs.ts";
import * as terminations from "../../../protocol/v3/terminations.ts";
import { tokenFor } from "../../admission/access.ts";
import { defineRoute } from "../route.ts";

export const v3TerminationRoutes = [
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/services/:service/terminations",
    version: "v3",
    access: tokenFor("spawn"),
    body: terminations.createTerminationBody,
    answer: terminations.termination,
    status: 201,
    names: { termination: "/id" },
    idempotent: true,
    summary: "Terminate all live backends of a service or of an environment, however many, in the background",
    handle: ({ env, params, body, caller }) =>
      serviceStub(env, params.account, params.service).createTermination(body, caller),
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/terminations",
    version: "v3",
    access: tokenFor("read"),
    answer: terminations.terminationList,
    summary: "How far the terminations of many backends are, also those of a service that was deleted",
    async handle({ env, params, actor }) {
      const owner = serviceStub(env, params.account, params.service);
      const listed = await owner.listTerminations(actor.environments);
      return listed.ok ? ok({ terminations: listed.value }) : listed;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/services/:service/terminations/:termination",
    version: "v3",
    access: tokenFor("read"),
    answer: terminations.termination,
    summary: "How far the termination of many backends is",
    handle: ({ env, params, actor }) =>
      serviceStub(env, params.account, params.service).getTermination(params.termination, actor.environments),
  }),
];
