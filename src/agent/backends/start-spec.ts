import type { SpawnWebhookData } from "../../protocol/webhooks/webhook.ts";
import type { StartSpec } from "../runtimes/runtime.ts";
import { backendEnv } from "./backend-env.ts";

/** What a runtime is to start for a spawn. @param mayRun whether what holds a key may run, at the moment of the call */
export function startSpec(spawn: SpawnWebhookData, mayRun: () => boolean): StartSpec {
  return {
    backendId: spawn.backend_id,
    image: spawn.image,
    env: backendEnv(spawn),
    resources: spawn.limits.resources,
    mount: spawn.mount,
    port: spawn.port,
    ...(spawn.key === null ? {} : { mayRun }),
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
