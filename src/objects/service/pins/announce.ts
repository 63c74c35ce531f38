import { pinnedRetryForMs } from "../../../domain/limits.ts";
import { resolvePin, storedPin } from "../../../domain/pins/pin.ts";
import type { ImagePinnedWebhookData } from "../../../protocol/webhooks/webhook.ts";
import type { Caller } from "../../contract.ts";
import type { EnvironmentRow, ServiceRow } from "../sql/service.sql.ts";
import { repositoryOf, type ServiceState } from "../state.ts";

/**
 * Runs a change of pins or images, inside its transaction, and queues an `image.pinned` for each environment that
 * resolves to another digest after it.
 */
export function announcingPins<T>(
  state: ServiceState,
  service: ServiceRow,
  caller: Pick<Caller, "registryHost">,
  now: number,
  change: () => T,
): T {
  const before = new Map(state.sql.environments().map((row) => [row.seq, state.digestOf(row)]));
  const result = change();
  for (const row of state.sql.environments()) {
    const digest = state.digestOf(row);
    if (digest !== null && digest !== before.get(row.seq)) announcePin(state, service, row, caller, now);
  }
  return result;
}

function announcePin(
  state: ServiceState,
  service: ServiceRow,
  row: EnvironmentRow,
  { registryHost }: Pick<Caller, "registryHost">,
  now: number,
): void {
  const cluster = row.cluster ?? state.config().defaultCluster;
  const image = resolvePin(storedPin(row.image), state.imageIndex());
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
