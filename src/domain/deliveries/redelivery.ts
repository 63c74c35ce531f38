import { type BackendStatus, isConnectable } from "../backends/status.ts";
import { backendIdPattern } from "../ids.ts";
import { fail, ok, type Result } from "../result.ts";

/** What the id of a webhook says of it. */
export type WebhookName =
  | { type: "backend.spawn"; backendId: string }
  | { type: "backend.terminate"; backendId: string; hard: boolean }
  | { type: "image.pinned" };

/**
 * Reads a webhook's id: `<backend>_spawn`, `<backend>_terminate_soft`, `<backend>_terminate_hard`,
 * `pinned_<service code>_<environment>_<revision>`.
 * @returns null for one that no service has sent
 * @example webhookName("k3f9q7h3kq2m9_spawn") // { type: "backend.spawn", backendId: "k3f9q7h3kq2m9" }
 */
export function webhookName(id: string): WebhookName | null {
  if (id.startsWith("pinned_")) return { type: "image.pinned" };
  const [backendId = "", what, how] = id.split("_");
  if (!backendIdPattern.test(backendId)) return null;
  if (what === "spawn") return { type: "backend.spawn", backendId };
  if (what === "terminate") return { type: "backend.terminate", backendId, hard: how === "hard" };
  return null;
}

/**
 * Whether a spawn may be sent again, and as what: one that is still to be delivered is attempted as its schedule would,
 * one that was acknowledged is only repeated.
 * @param backend undefined where it is not known any more
 * @returns `delivery_over` where the backend is ending or has ended
 */
export function judgeSpawnRedelivery(
  backend: { status: BackendStatus; acknowledged: boolean } | undefined,
): Result<"attempt" | "repetition"> {
  if (!backend || backend.status === "terminated") {
    return over("its backend has ended, or its spawn was given up");
  }
  if (!isConnectable(backend.status)) return over(`its backend is ${backend.status}`);
  return ok(backend.acknowledged ? "repetition" : "attempt");
}

/**
 * Whether a termination may be sent again: while it is to be delivered, or its backend has not ended.
 * @param backend undefined where it is not known any more
 * @returns `delivery_over` after that
 */
export function judgeTerminationRedelivery(
  backend: { status: BackendStatus } | undefined,
  isPending: boolean,
): Result<null> {
  if (isPending || (backend && backend.status !== "terminated")) return ok(null);
  return over("its backend has ended");
}

/** What an `image.pinned` announces, and where. */
export interface AnnouncedPin {
  cluster: string | null;
  revision: number;
  digest: string | null;
}

/**
 * Whether an `image.pinned` may be sent again: while it says what its environment is pinned to now.
 * @param announced undefined where its data is not kept any more
 * @param present undefined where there is no such environment any more
 * @returns `delivery_over`, with what has changed since
 */
export function judgePinRedelivery(
  announced: AnnouncedPin | undefined,
  present: AnnouncedPin | undefined,
): Result<null> {
  if (!announced) return over("what it announced is not known any more");
  if (!present) return over("its environment does not exist any more");
  if (present.cluster !== announced.cluster) return over("its environment is on another cluster now");
  const isPresent = present.revision === announced.revision && present.digest === announced.digest;
  return isPresent
    ? ok(null)
    : over(`it announced revision ${announced.revision}; its environment is pinned to another image now`);
}

/** The failure of a redelivery that would be of no use. @param why ends the sentence */
export function over(why: string) {
  return fail("delivery_over", `this webhook cannot be sent again: ${why}`);
}
