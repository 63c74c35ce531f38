import { z } from "zod";
import { ok } from "../../../domain/result.ts";
import type { Env } from "../../../objects/env.ts";
import { jwks } from "../../../protocol/tokens/connection-token.ts";
import { publicAccess } from "../../admission/access.ts";
import { signingOf } from "../../credentials/signing.ts";
import type { BackendLocation } from "../../locate-backend.ts";
import { storageFailure } from "../../storage-health.ts";
import { currentStatus, describeBackend } from "../../views/backend-views.ts";
import { backendUrl } from "../../views/connection.ts";
import { readyPage } from "../../views/ready-page.ts";
import { defineRoute } from "../route.ts";

/** Goes to the backend once it is ready; until then, or after its end, shows a page. */
async function readyOrPage(env: Env, backend: BackendLocation, token: string | undefined) {
  const described = await describeBackend(env, backend);
  if (!described.ok) return described;
  const entry = currentStatus(described.value);
  const { baseUrl } = described.value;
  if (entry.status !== "ready" || baseUrl === null) return readyPage(backend.id, entry);
  const location = backendUrl(baseUrl, token === undefined ? undefined : encodeURIComponent(token));
  return new Response(null, {
    status: 302,
    headers: { location, "cache-control": "no-store", "referrer-policy": "no-referrer" },
  });
}

export const publicRoutes = [
  defineRoute({
    method: "GET",
    path: "/ready/:id/:token",
    version: "public",
    access: publicAccess,
    produces: "text/html",
    summary: "A page that waits for a backend and then goes to it",
    handle: ({ env, backend, params }) => readyOrPage(env, backend, params.token),
  }),
  defineRoute({
    method: "GET",
    path: "/ready/:id",
    version: "public",
    access: publicAccess,
    produces: "text/html",
    summary: "The same for a backend that wants its token as a bearer token",
    handle: ({ env, backend }) => readyOrPage(env, backend, undefined),
  }),
  defineRoute({
    method: "GET",
    path: "/.well-known/jwks.json",
    version: "public",
    access: publicAccess,
    cors: true,
    answer: jwks,
    summary: "The keys that verify connection tokens",
    handle: ({ env }) => ok(signingOf(env).jwks),
  }),
  defineRoute({
    method: "GET",
    path: "/healthz",
    version: "public",
    access: publicAccess,
    answer: z.object({ status: z.literal("ok") }),
    summary: "Whether the Worker answers and can write: 503 where it cannot, while it goes on reading",
    handle: async ({ env }) => {
      const failure = await storageFailure(env);
      return failure === null ? ok({ status: "ok" } as const) : { ok: false, error: failure };
    },
  }),
];
