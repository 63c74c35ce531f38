import type { SpawnWebhookData } from "../../protocol/webhooks/webhook.ts";
import type { StartSpec } from "../runtimes/runtime.ts";
import { backendEnv } from "./backend-env.ts";

/** What a runtime is to start for a spawn. */
export function startSpec(spawn: SpawnWebhookData): StartSpec {
  return {
    backendId: spawn.backend_id,
    image: spawn.image,
    env: backendEnv(spawn),
    resources: spawn.limits.resources,
    mount: spawn.mount,
    port: spawn.port,
    labels: {
      account: spawn.account,
      service: spawn.service,
      environment: spawn.environment,
      cluster: spawn.cluster,
      ...(spawn.key === null ? {} : { key: spawn.key }),
      fencing_token: String(spawn.fencing_token),
      digest: spawn.image.digest,
    },
  };
}
