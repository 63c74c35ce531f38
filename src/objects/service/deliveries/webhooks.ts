import { type SpawnWebhookData, spawnWebhookAnswer } from "../../../protocol/webhooks/webhook.ts";
import type { BackendRow, ServiceRow } from "../sql/service.sql.ts";
import { specOf } from "../state.ts";

/** The body of `backend.spawn`: the same on every delivery, since it is made of what the decision fixed. */
export function spawnWebhookData(service: ServiceRow, row: BackendRow): SpawnWebhookData {
  const spec = specOf(row);
  return {
    backend_id: row.id,
    account: service.account,
    service: service.name,
    environment: row.environment,
    cluster: row.cluster,
    image: {
      reference: `${spec.repository}@${row.digest}`,
      repository: spec.repository,
      digest: row.digest,
      tag: spec.tag,
    },
    pin: spec.pin,
    key: row.key,
    fencing_token: row.fencing_token,
    env: spec.env,
    limits: {
      startup_timeout_seconds: spec.startupTimeoutSeconds,
      max_idle_seconds: spec.maxIdleSeconds,
      ...(spec.lifetimeLimitSeconds === undefined
        ? {}
        : { lifetime_limit_seconds: spec.lifetimeLimitSeconds }),
      ...(spec.resources === undefined ? {} : { resources: spec.resources }),
    },
    ...(spec.mount === undefined ? {} : { mount: spec.mount }),
    ...(spec.port === undefined ? {} : { port: spec.port }),
    ...(spec.requireBearerToken ? { require_bearer_token: true } : {}),
    secret_token: spec.secretToken,
  };
}

/** The URL in a cluster's answer, null where it has none that can be used. */
export function answeredUrl(body: string): string | null {
  try {
    const answer = spawnWebhookAnswer.safeParse(JSON.parse(body));
    return answer.success ? (answer.data.url?.replace(/\/+$/, "") ?? null) : null;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
}
