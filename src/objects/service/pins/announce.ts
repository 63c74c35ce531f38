import { resolvedTo, storedPin } from "../../../domain/pins/pin.ts";
import type { ImagePinnedWebhookData } from "../../../protocol/webhooks/webhook.ts";
import type { Caller } from "../../contract.ts";
import type { DeliveredWebhook } from "../../webhooks/webhook-sender.ts";
import type { DeliveryRow, EnvironmentRow } from "../sql/service.sql.ts";
import { repositoryOf, type ServiceState } from "../state.ts";

/**
 * An `image.pinned` for what an environment resolves to now. Its id is of that revision, so that whoever sends it once more
 * sends the same. A name goes on with its revisions after its deletion, so that no other has the id.
 */
export function announcementOf(state: ServiceState, row: EnvironmentRow) {
  const service = state.row();
  const { digest, tag } = resolvedTo(storedPin(row.image), row.digest ?? "");
  const repository = repositoryOf(state.image(digest) ?? { repository: null }, service, row.registry_host);
  return {
    id: `pinned_${service.code}_${row.name}_${row.revision}`,
    type: "image.pinned",
    data: {
      account: service.account,
      service: service.name,
      environment: row.name,
      image: { reference: `${repository}@${digest}`, repository, digest, tag },
      revision: row.revision,
    },
  } satisfies DeliveredWebhook;
}

/** What an environment's row says of its move to another digest. */
export function movedNow(
  state: ServiceState,
  { registryHost }: Pick<Caller, "registryHost">,
  now: number,
): Pick<EnvironmentRow, "moved_at" | "registry_host"> {
  return { moved_at: state.announcements.nextMove(now), registry_host: registryHost };
}

/** Whether what an `image.pinned` announces is no more what its environment resolves to: another one follows, or none is of use. */
export function isSuperseded(state: ServiceState, { environment, image }: ImagePinnedWebhookData): boolean {
  return state.environments.get(environment)?.digest !== image.digest;
}

/** Queues an `image.pinned`, unless it is queued already. */
export function enqueuePinned(
  state: ServiceState,
  { id, data }: { id: string; data: ImagePinnedWebhookData },
  when: Pick<DeliveryRow, "cluster" | "attempts" | "next_attempt_at" | "expires_at">,
): void {
  state.sql.insertDelivery({ id, type: "image.pinned", backend: null, data: JSON.stringify(data), ...when });
}
