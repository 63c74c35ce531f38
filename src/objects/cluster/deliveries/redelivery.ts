import { over } from "../../../domain/deliveries/redelivery.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { DeliveryAttemptView } from "../../../protocol/v3/deliveries.ts";
import type { ServiceRpc } from "../../contract.ts";
import { handedOn } from "../../rpc.ts";
import { attemptView, type DeliveryLog } from "./delivery-log.ts";

/** Has the service that sent a webhook of the log send it again. As `DeliveryLogRpc.redeliver`. */
export async function redeliver(
  log: DeliveryLog,
  { cluster, registration, id }: { cluster: string; registration: number; id: string },
  serviceOf: (name: string) => Pick<ServiceRpc, "redeliver">,
): Promise<Result<DeliveryAttemptView>> {
  const found = log.find(registration, id, Date.now());
  if (!found) {
    return fail(
      "delivery_not_found",
      `delivery \`${id.slice(0, 80)}\` not found; the deliveries of cluster \`${cluster}\` list those that are kept`,
    );
  }
  const { service, attempt, announced } = found.last;
  if (service === null) return over("a ping is of no later use; test the cluster again");
  const params = { cluster, registration, id, attempts: attempt, ...(announced && { announced }) };
  const redelivered = await serviceOf(service).redeliver(params);
  return redelivered.ok ? ok(attemptView(redelivered.value)) : handedOn<DeliveryAttemptView>(redelivered);
}
