import type { Result } from "../../../domain/result.ts";
import type { CreateDrainBody, Drain } from "../../../protocol/v3/drains.ts";
import type { ListQuery, Page } from "../../../protocol/v3/list.ts";
import type { Caller } from "../../rpc-types.ts";

/** What a service answers about the drains of what its environments run no more. */
export interface ServiceDrainsRpc {
  /**
   * Begins to end, softly and at a rate, the backends that run what is named. It goes on by the object's alarm.
   * `digest_current` where an environment that is meant runs the digest, `too_many_drains`, `forbidden` for an environment that the
   * caller may not touch.
   */
  createDrain(body: CreateDrainBody, caller: Caller): Promise<Result<Drain>>;
  /** Newest first. @param allowedEnvironments as in `ServiceRpc`: only those that are of these are shown */
  listDrains(query: ListQuery, allowedEnvironments?: readonly string[]): Promise<Result<Page<Drain>>>;
  /** `drain_not_found` for one that is not kept. */
  getDrain(id: string, allowedEnvironments?: readonly string[]): Promise<Result<Drain>>;
  /** What it has not ended goes on. A repetition is harmless; `drain_over` for one that is drained. */
  cancelDrain(id: string, caller: Pick<Caller, "actor">): Promise<Result<Drain>>;
}
