import { pinnedRetryForMs } from "../../../domain/limits.ts";
import { resolvedTo, storedPin } from "../../../domain/pins/pin.ts";
import type { ImagePinnedWebhookData } from "../../../protocol/webhooks/webhook.ts";
import type { Caller } from "../../contract.ts";
import type { EnvironmentRow, ServiceRow } from "../sql/service.sql.ts";
import { repositoryOf, type ServiceState } from "../state.ts";

/** Queues an `image.pinned` for what an environment resolves to now. */
export function announcePin(
  state: ServiceState,
  service: ServiceRow,
  row: EnvironmentRow,
  { registryHost }: Pick<Caller, "registryHost">,
  now: number,
): void {
  const cluster = row.cluster ?? state.config().defaultCluster;
  if (cluster === null || row.digest === null) return;
  const { digest, tag } = resolvedTo(storedPin(row.image), row.digest);
  const repository = repositoryOf(state.image(digest) ?? { repository: null }, service, registryHost);
  const data: ImagePinnedWebhookData = {
    account: service.account,
    service: service.name,
    environment: row.name,
    image: { reference: `${repository}@${digest}`, repository, digest, tag },
    revision: row.revision,
  };
  enqueuePinned(state, `pinned_${crypto.randomUUID()}`, cluster, data, now);
}

/** Queues an `image.pinned` under this id, unless it is queued already. */
export function enqueuePinned(
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
