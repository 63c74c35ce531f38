import { isConnectable } from "../../../domain/backends/status.ts";
import {
  type AttemptResult,
  type DeliveryVerdict,
  judgeAttempt,
} from "../../../domain/deliveries/delivery.ts";
import { ok, type Result } from "../../../domain/result.ts";
import type { ClusterConfig } from "../../contract.ts";
import type { OutgoingWebhook } from "../../webhooks/webhook-sender.ts";
import type { BackendRow, DeliveryRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { Drain, type Pending } from "./drain.ts";
import { settleDelivery, settleSpawn, spawnOutcome } from "./settle.ts";
import { answeredUrl, spawnWebhookData } from "./webhooks.ts";

export interface DeliveryPorts {
  /** Makes one attempt and records it. @param attempt its number, 1 for the first */
  attempt(
    cluster: ClusterConfig,
    webhook: OutgoingWebhook,
    now: number,
    attempt: number,
  ): Promise<AttemptResult>;
  now(): number;
  /** In [0, 1). */
  random(): number;
  /** Called after an attempt that has left something to start, or to notify a shard of. */
  leftWork(): void;
  /** Has what is due started at `at` or before, in milliseconds since the epoch, if that is not null. */
  wakeBy(at: number | null): void;
}

/**
 * The webhooks of one service. What waits lies in the rows: a spawn in its backend's, everything else in `deliveries`.
 * Each attempt ends in one transaction, which removes what it delivered or schedules the next attempt.
 */
export class Deliveries {
  readonly #state: ServiceState;
  readonly #ports: DeliveryPorts;
  readonly #spawns: Drain<Result<string>>;
  readonly #others: Drain<void>;
  /** Backends whose termination waits for the spawn that is under way, so that it cannot overtake it. */
  readonly #heldBack = new Set<string>();

  constructor(state: ServiceState, ports: DeliveryPorts) {
    this.#state = state;
    this.#ports = ports;
    this.#spawns = new Drain(ports.now);
    this.#others = new Drain(ports.now);
  }

  isSpawning(backendId: string): boolean {
    return this.#spawns.isUnderWay(backendId);
  }

  isSending(deliveryId: string): boolean {
    return this.#others.isUnderWay(deliveryId);
  }

  /** Starts the spawns that are due. @returns when to look again */
  startSpawns(backends: readonly Pending[], now: number): number | null {
    return this.#spawns.startDue(backends, now, ({ id }) => void this.spawn(id));
  }

  /** Starts everything else that is due. @returns when to look again */
  startOthers(now: number): number | null {
    return this.#others.startDue(this.#state.sql.deliveries(), now, (delivery) => this.#start(delivery));
  }

  /**
   * Makes one attempt to deliver a spawn, or joins the one under way.
   * @param known the backend's row, where the caller has just written or read it
   * @returns the backend's URL; `cluster_refused` or `cluster_bad_answer` when it is over, `cluster_unavailable`
   *   while it goes on and its URL is not known
   */
  spawn(backendId: string, known?: BackendRow): Promise<Result<string>> {
    return this.#spawns.joinOrStart(backendId, async (ended) => {
      let leavesWork = true;
      try {
        const sent = known ?? this.#state.sql.backend(backendId);
        if (!sent || this.#state.spawns.isAcknowledged(sent)) return spawnOutcome(this.#state, backendId);
        const verdict = await this.#attemptSpawn(sent);
        const { base_url: url } = sent;
        const isUsual = verdict.verdict === "delivered" && url !== null && isWithoutNewUrl(verdict.body, url);
        const present = isUsual ? this.#state.sql.backend(backendId) : undefined;
        if (isUsual && (present === undefined || present.base_url === url)) {
          leavesWork = false;
          if (present) this.#state.spawns.acknowledge(present);
          return ok(url);
        }
        const attempt = { sent, isFirst: known !== undefined, verdict };
        const outcome = this.#state.db.transaction(() =>
          settleSpawn(this.#state, attempt, this.#ports.now(), this.#ports.random),
        );
        leavesWork = !outcome.ok || verdict.verdict !== "delivered";
        return outcome;
      } finally {
        ended();
        this.#spawnEnded(backendId, leavesWork);
      }
    });
  }

  /**
   * Finds the URL of a backend whose cluster has shown that it has the spawn, and whose answer with the URL was lost: the same
   * spawn is sent once more. One that is still to be delivered is left to its schedule.
   * @returns `cluster_unavailable` where the URL stays unknown
   */
  async findUrl(backendId: string): Promise<Result<string>> {
    const row = this.#state.sql.backend(backendId);
    const isRepeated = row && isConnectable(row.status) && this.#state.spawns.isAcknowledged(row);
    return isRepeated ? this.repeatSpawn(backendId) : spawnOutcome(this.#state, backendId);
  }

  /**
   * Sends a spawn once more that the cluster has acknowledged, or joins the attempt under way. The answer changes nothing
   * but a URL that was not known: the backend lives by what was acknowledged before.
   */
  repeatSpawn(backendId: string): Promise<Result<string>> {
    return this.#spawns.joinOrStart(backendId, async (ended) => {
      try {
        const row = this.#state.sql.backend(backendId);
        const verdict = row && (await this.#attemptSpawn(row));
        const url = verdict?.verdict === "delivered" ? answeredUrl(verdict.body) : null;
        const current = this.#state.sql.backend(backendId);
        if (url !== null && current && current.status !== "terminated" && current.base_url === null) {
          this.#state.spawns.acknowledgeWithUrl(backendId, url);
        }
        return spawnOutcome(this.#state, backendId);
      } finally {
        ended();
        this.#spawnEnded(backendId, false);
      }
    });
  }

  #spawnEnded(backendId: string, leavesWork: boolean): void {
    if (this.#heldBack.delete(backendId) || leavesWork) this.#ports.leftWork();
  }

  async #attemptSpawn(row: BackendRow): Promise<DeliveryVerdict> {
    const cluster = this.#state.cluster(row.cluster);
    if (!cluster) return clusterGone(`cluster \`${row.cluster}\` does not exist any more`);
    const data = spawnWebhookData(this.#state.row(), row);
    const webhook: OutgoingWebhook = { id: `${row.id}_spawn`, type: "backend.spawn", data };
    return judgeAttempt(await this.#ports.attempt(cluster, webhook, this.#ports.now(), row.attempts + 1));
  }

  #start(delivery: DeliveryRow): void {
    if (delivery.backend !== null && this.isSpawning(delivery.backend)) {
      this.#heldBack.add(delivery.backend);
    } else {
      void this.#others.joinOrStart(delivery.id, (ended) => this.#deliver(delivery, ended));
    }
  }

  async #deliver(delivery: DeliveryRow, ended: () => void): Promise<void> {
    try {
      const verdict = await this.#attemptDelivery(delivery);
      const wakeAt = this.#state.db.transaction(() =>
        settleDelivery(this.#state, delivery.id, verdict, this.#ports.now(), this.#ports.random),
      );
      this.#ports.wakeBy(wakeAt);
    } finally {
      ended();
    }
  }

  async #attemptDelivery(delivery: DeliveryRow): Promise<DeliveryVerdict> {
    const cluster = this.#state.cluster(delivery.cluster);
    if (!cluster) return clusterGone("the cluster does not exist any more");
    const webhook: OutgoingWebhook = {
      id: delivery.id,
      type: delivery.type,
      data: JSON.parse(delivery.data),
    };
    return judgeAttempt(
      await this.#ports.attempt(cluster, webhook, this.#ports.now(), delivery.attempts + 1),
    );
  }
}

/** Whether an answer gives no other URL than the one that is known, so that nothing has to be written. */
function isWithoutNewUrl(body: string, baseUrl: string): boolean {
  const url = body === "" || body === "{}" ? null : answeredUrl(body);
  return url === null || url === baseUrl;
}

function clusterGone(message: string): DeliveryVerdict {
  return { verdict: "refused", status: 404, message };
}
