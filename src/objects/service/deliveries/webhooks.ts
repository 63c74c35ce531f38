import { pinnedRetryForMs } from "../../../domain/limits.ts";
import { resolveImage } from "../../../domain/pins/images.ts";
import {
  type ImagePinnedWebhookData,
  type SpawnWebhookData,
  spawnWebhookAnswer,
} from "../../../protocol/webhooks/webhook.ts";
import { digestOf } from "../pins/environments.ts";
import type { BackendRow, EnvironmentRow, ServiceRow } from "../sql/service.sql.ts";
import { repositoryOf, type ServiceState, specOf } from "../state.ts";

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

/**
 * Runs a change of pins or images and records an `image.pinned` for each environment that resolves to another
 * digest after it. To be run inside the change's transaction.
 */
export function announcingPins<T>(
  state: ServiceState,
  service: ServiceRow,
  registryHost: string,
  now: number,
  change: () => T,
): T {
  const before = new Map(state.sql.environments().map((row) => [row.seq, digestOf(state, row)]));
  const result = change();
  for (const row of state.sql.environments()) {
    const digest = digestOf(state, row);
    if (digest !== null && digest !== before.get(row.seq)) {
      enqueuePinned(state, service, row, registryHost, now);
    }
  }
  return result;
}

function enqueuePinned(
  state: ServiceState,
  service: ServiceRow,
  row: EnvironmentRow,
  registryHost: string,
  now: number,
): void {
  const cluster = row.cluster ?? state.config().defaultCluster;
  const image = resolveImage(row.image, state.imageIndex());
  if (cluster === null || !image.ok) return;
  const { digest, tag } = image.value;
  const repository = repositoryOf(state.sql.image(digest) ?? { repository: null }, service, registryHost);
  const data: ImagePinnedWebhookData = {
    account: service.account,
    service: service.name,
    environment: row.name,
    image: { reference: `${repository}@${digest}`, repository, digest, tag },
    revision: row.revision,
  };
  enqueuePinnedData(state, `pinned_${crypto.randomUUID()}`, cluster, data, now);
}

/** Makes sure that an `image.pinned` is sent under this id. */
export function enqueuePinnedData(
  state: ServiceState,
  id: string,
  cluster: string,
  data: ImagePinnedWebhookData,
  now: number,
): void {
  state.sql.insertDelivery({
    id,
    type: "image.pinned",
    cluster,
    backend: null,
    data: JSON.stringify(data),
    next_attempt_at: now,
    expires_at: now + pinnedRetryForMs,
  });
}
