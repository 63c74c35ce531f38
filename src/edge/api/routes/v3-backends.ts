import { serviceStub } from "../../../objects/stubs.ts";
import { backend as backendAnswer, releaseBody } from "../../../protocol/v3/backends.ts";
import { tokenFor } from "../../admission/access.ts";
import { defineRoute } from "../route.ts";

export const v3BackendRoutes = [
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/backends/:id",
    version: "v3",
    access: tokenFor("read"),
    answer: backendAnswer,
    summary: "A backend, live or ended",
    handle: ({ env, backend, actor }) =>
      serviceStub(env, backend.account, backend.service).getBackend(backend.id, actor.environments),
  }),
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/backends/:id/release",
    version: "v3",
    access: tokenFor("admin"),
    body: releaseBody,
    answer: backendAnswer,
    summary: "Vouch that a backend has ended whose cluster cannot prove it, which frees its key",
    handle: ({ env, backend, body, caller }) =>
      serviceStub(env, backend.account, backend.service).releaseBackend(backend.id, body.note, caller),
  }),
];
