import { recoveryDelayMs } from "../../../domain/limits.ts";
import type { BackendRow, KeptBackend } from "../sql/service.sql.ts";
import type { Writes } from "../sql/statements.ts";

type Sql = Pick<Writes, "acknowledge" | "acknowledgeWithUrl" | "acknowledgeWithStatus" | "retrySpawn">;

/**
 * Whether the cluster of a backend has acknowledged its spawn, and since when. A first attempt is acknowledged in memory,
 * so that it costs no row of its own: losing that causes a redelivery, no more. Whatever else acknowledges is written at
 * once, with `next_attempt_at` null.
 */
export class SpawnDeliveryState {
  readonly #sql: Sql;
  /** Acknowledged and not written yet. */
  readonly #unwritten = new Set<string>();
  /** When spawns that had to be repeated were first seen to be acknowledged, in milliseconds since the epoch. */
  readonly #acknowledgedAt = new Map<string, number>();
  /** Those of which every attempt was made by this object and declined: their clusters have certainly not started them. */
  readonly #declined = new Set<string>();

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  isAcknowledged({ id, next_attempt_at }: Pick<BackendRow, "id" | "next_attempt_at">): boolean {
    return next_attempt_at === null || this.#unwritten.has(id);
  }

  /**
   * The cluster has shown that it has the spawn: by an answer, a status or a heartbeat. For a spawn that had to be
   * repeated this is written at once: were it lost, the spawn could be given up, and its key with it, while it runs.
   */
  acknowledge({ id, attempts }: Pick<BackendRow, "id" | "attempts">): void {
    if (attempts === 0) this.#unwritten.add(id);
    else this.#sql.acknowledge([id]);
  }

  /** The cluster has shown that it has the spawn by giving the backend's URL. */
  acknowledgeWithUrl(id: string, url: string): void {
    this.#unwritten.delete(id);
    this.#sql.acknowledgeWithUrl(id, url);
  }

  /** A backend enters a status beyond `scheduled`: the cluster has its spawn, or is not to be sent it any more. */
  acknowledgeWithStatus(row: Parameters<Sql["acknowledgeWithStatus"]>[0]): void {
    this.forget(row.id);
    this.#sql.acknowledgeWithStatus(row);
  }

  /** Schedules the next attempt of a spawn that is not acknowledged. @param attempts how many were made */
  retry(id: string, attempts: number, at: number): void {
    this.#sql.retrySpawn(id, attempts, at);
  }

  /**
   * Notes an attempt that has failed.
   * @param attempt `isFirst`: there was none before it, not even one that was lost with its process
   * @returns whether the cluster may run the backend, by this attempt or by an earlier one
   */
  mayRunAfter(
    row: Pick<BackendRow, "id" | "next_attempt_at">,
    attempt: { isFirst: boolean; declined: boolean },
  ): boolean {
    const isDeclined =
      attempt.declined && (attempt.isFirst || this.#declined.has(row.id)) && !this.isAcknowledged(row);
    if (isDeclined) this.#declined.add(row.id);
    else this.#declined.delete(row.id);
    return !isDeclined;
  }

  /** Writes the acknowledgements that are only in memory. @returns whether there were any */
  flush(): boolean {
    if (this.#unwritten.size === 0) return false;
    this.#sql.acknowledge([...this.#unwritten]);
    this.#unwritten.clear();
    return true;
  }

  /** From when on an agent is expected to list a backend, in milliseconds since the epoch. */
  expectedAt(row: KeptBackend, now: number): number {
    if (row.attempts === 0) return row.created_at;
    if (row.status !== "scheduled") return row.status_at;
    if (!this.isAcknowledged(row)) return now;
    // A repeated spawn's backend may have started with any attempt: at the latest when its acknowledgement is first seen.
    const at = this.#acknowledgedAt.get(row.id) ?? now;
    this.#acknowledgedAt.set(row.id, at);
    return at;
  }

  /** Whether a spawn's attempt is so late that the alarm which should have started it was lost. */
  isOverdue(row: Pick<BackendRow, "id" | "next_attempt_at">, now: number): boolean {
    return (
      row.next_attempt_at !== null && !this.isAcknowledged(row) && now - row.next_attempt_at > recoveryDelayMs
    );
  }

  /** Drops what is in memory of a backend that has ended. */
  forget(id: string): void {
    this.#unwritten.delete(id);
    this.#acknowledgedAt.delete(id);
    this.#declined.delete(id);
  }
}
