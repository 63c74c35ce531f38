import { z } from "zod";
import { ok } from "../../domain/result.ts";
import { publicAccess } from "../admission/access.ts";
import { buildOpenApi, type OpenApi } from "./openapi.ts";
import { defineRoute, type Route } from "./route.ts";
import { publicRoutes } from "./routes/public.ts";
import { v1Routes } from "./routes/v1.ts";
import { v2BackendRoutes } from "./routes/v2-backends.ts";
import { v2ServiceRoutes } from "./routes/v2-services.ts";
import { v3AccountRoutes } from "./routes/v3-accounts.ts";
import { v3AgentRoutes } from "./routes/v3-agent.ts";
import { v3BackendRoutes } from "./routes/v3-backends.ts";
import { v3ClusterRoutes } from "./routes/v3-clusters.ts";
import { v3DeliveryRoutes } from "./routes/v3-deliveries.ts";
import { v3DeployRoutes } from "./routes/v3-deploys.ts";
import { v3DrainRoutes } from "./routes/v3-drains.ts";
import { v3EnvironmentRoutes } from "./routes/v3-environments.ts";
import { v3EventRoutes } from "./routes/v3-events.ts";
import { v3ImageRoutes } from "./routes/v3-images.ts";
import { v3ServiceRoutes } from "./routes/v3-services.ts";
import { v3SessionRoutes } from "./routes/v3-sessions.ts";
import { v3TerminationRoutes } from "./routes/v3-terminations.ts";
import { v3UsageRoutes } from "./routes/v3-usage.ts";

let openApi: OpenApi | undefined;

const openApiRoute = defineRoute({
  method: "GET",
  path: "/v3/openapi.json",
  version: "public",
  access: publicAccess,
  cors: true,
  answer: z.looseObject({ openapi: z.string() }),
  summary: "This description",
  handle() {
    openApi ??= buildOpenApi(routes);
    return ok(openApi);
  },
});

/** Every route of the Worker. */
export const routes: readonly Route[] = [
  ...v1Routes,
  ...v2ServiceRoutes,
  ...v2BackendRoutes,
  ...v3AccountRoutes,
  ...v3SessionRoutes,
  ...v3ClusterRoutes,
  ...v3DeliveryRoutes,
  ...v3ServiceRoutes,
  ...v3EnvironmentRoutes,
  ...v3DeployRoutes,
  ...v3BackendRoutes,
  ...v3ImageRoutes,
  ...v3TerminationRoutes,
  ...v3DrainRoutes,
  ...v3UsageRoutes,
  ...v3EventRoutes,
  ...v3AgentRoutes,
  ...publicRoutes,
  openApiRoute,
];
