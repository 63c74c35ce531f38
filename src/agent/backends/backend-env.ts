import type { SpawnWebhookData } from "../../protocol/webhooks/webhook.ts";

/** The environment of a backend but for `PORT`: the spawn's own variables, which do not override the platform's. */
export function backendEnv(spawn: SpawnWebhookData): Record<string, string> {
  return {
    ...spawn.env,
    SESSION_BACKEND_ID: spawn.backend_id,
    ...(spawn.key === null ? {} : { SESSION_BACKEND_KEY: spawn.key }),
    SESSION_BACKEND_FENCING_TOKEN: String(spawn.fencing_token),
    SESSION_BACKEND_STATIC_TOKEN: spawn.secret_token,
    JAMSOCKET_SERVICE: spawn.service,
    SLIPWAY_ENVIRONMENT: spawn.environment,
    SLIPWAY_IMAGE: spawn.pin.image,
    SLIPWAY_IMAGE_DIGEST: spawn.image.digest,
  };
}
