import type { AttemptResult } from "../../../domain/deliveries/delivery.ts";
import { type DeliveryVerdict, judgeAttempt } from "../../../domain/deliveries/delivery.ts";
import { redeliveryDelayMs, spawnRedeliveryDelayMs } from "../../../domain/deliveries/retry.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { ClusterConfig } from "../../contract.ts";
import type { OutgoingWebhook } from "../../webhook-sender.ts";
import {
  beginTermination,
  endBackend,
  enqueueTermination,
  terminationDelivered,
} from "../backends/lifecycle.ts";
import { recoveryDelayMs } from "../connect/decide.ts";
import type { BackendRow, DeliveryRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { answeredUrl, spawnWebhookData } from "./webhooks.ts";

export interface DeliveryPorts {
  /** @param attempt its number, 1 for the first */
  send(
    cluster: ClusterConfig,
    webhook: OutgoingWebhook,
    now: number,
    attempt: number,
  ): Promise<AttemptResult>;
  now(): number;
  /** In [0, 1). */
  random(): number;
  /** Called after a settled attempt has left something to do: rows that are due, or a shard to be told. */
  leftWork(): void;
}

/** The webhooks of one service: what is under way, what was acknowledged, and what becomes of each attempt. */
export class Deliveries {
  readonly #state: ServiceState;
  readonly #ports: DeliveryPorts;
  readonly #spawning = new Map<string, { attempt: Promise<Result<string>>; since: number }>();
  readonly #sending = new Map<string, number>();
  /** Backends whose termination waits for the spawn that is on its way, so that it cannot overtake it. */
  readonly #heldBack = new Set<string>();
  /** Spawns that were acknowledged at once and are not written down yet. Losing them causes a redelivery, no more. */
  readonly #acknowledged = new Set<string>();

  constructor(state: ServiceState, ports: DeliveryPorts) {
    this.#state = state;
    this.#ports = ports;
  }

  isSpawning(backendId: string): boolean {
    return this.#isUnderWay(this.#spawning.get(backendId)?.since);
  }

  /** An attempt that has outlived every timeout will not tell how it ended: it holds up the next one no longer. */
  #isUnderWay(since: number | undefined): boolean {
    return since !== undefined && this.#ports.now() - since < recoveryDelayMs;
  }

  isAcknowledged(backendId: string): boolean {
    return this.#acknowledged.has(backendId);
  }

  isSending(deliveryId: string): boolean {
    return this.#isUnderWay(this.#sending.get(deliveryId));
  }

  /**
   * The cluster has shown that it has the spawn: by an answer, a status or a heartbeat. For a spawn that had to be
   * repeated this is written down at once: were it lost, the spawn could be given up, and its key with it, while it runs.
   */
  acknowledge({ id, attempts }: Pick<BackendRow, "id" | "attempts">): void {
    if (attempts === 0) this.#acknowledged.add(id);
    else this.#state.sql.markDelivered([id]);
  }

  /** Writes the acknowledgements down. @returns whether there were any */
  flush(): boolean {
    if (this.#acknowledged.size === 0) return false;
    this.#state.sql.markDelivered([...this.#acknowledged]);
    this.#acknowledged.clear();
    return true;
  }

  /**
   * Makes one attempt to deliver a spawn, or joins the one under way.
   * @param known the backend's row, where the caller has just written or read it
   * @returns the backend's URL; `cluster_refused` or `cluster_bad_answer` when it is over, `cluster_unavailable`
   *   while it goes on without a URL to tell
   */
  spawn(backendId: string, known?: BackendRow): Promise<Result<string>> {
    return this.#joinOrStart(backendId, (since) => this.#attemptSpawn(backendId, known, since));
  }

  /**
   * Sends a spawn once more that the cluster has acknowledged, or joins the attempt under way. The answer changes nothing
   * but a URL that was not known: the backend lives by what was acknowledged before.
   */
  repeatSpawn(backendId: string): Promise<Result<string>> {
    return this.#joinOrStart(backendId, async (since) => {
      try {
        const row = this.#state.sql.backend(backendId);
        const verdict = row && (await this.#sendSpawn(row));
        const url = verdict?.verdict === "delivered" ? answeredUrl(verdict.body) : null;
        const current = this.#state.sql.backend(backendId);
        if (url !== null && current?.status === "scheduled" && current.base_url === null) {
          this.#state.sql.setBaseUrl(backendId, url);
        }
        return this.#settled(backendId);
      } finally {
        this.#spawnEnded(backendId, since, false);
      }
    });
  }

  #joinOrStart(
    backendId: string,
    start: (since: number) => Promise<Result<string>>,
  ): Promise<Result<string>> {
    const running = this.#spawning.get(backendId);
    if (running && this.#isUnderWay(running.since)) return running.attempt;
    const since = this.#ports.now();
    // An attempt that ends at once must not end before it is noted.
    const attempt = Promise.resolve().then(() => start(since));
    this.#spawning.set(backendId, { attempt, since });
    return attempt;
  }

  #spawnEnded(backendId: string, since: number, leavesWork: boolean): void {
    if (this.#spawning.get(backendId)?.since === since) this.#spawning.delete(backendId);
    if (this.#heldBack.delete(backendId) || leavesWork) this.#ports.leftWork();
  }

  async #attemptSpawn(
    backendId: string,
    known: BackendRow | undefined,
    since: number,
  ): Promise<Result<string>> {
    let isSettled = false;
    try {
      const row = known ?? this.#state.sql.backend(backendId);
      if (!row || row.next_attempt_at === null) return this.#settled(backendId);
      const verdict = await this.#sendSpawn(row);
      if (verdict.verdict === "delivered" && row.base_url !== null && isUsual(verdict.body, row.base_url)) {
        isSettled = true;
        this.acknowledge(row);
        return ok(row.base_url);
      }
      const outcome = this.#state.db.transaction(() => this.#settleSpawn(backendId, verdict));
      isSettled = outcome.ok && verdict.verdict === "delivered";
      return outcome;
    } finally {
      this.#spawnEnded(backendId, since, !isSettled);
    }
  }

  async #sendSpawn(row: BackendRow): Promise<DeliveryVerdict> {
    const cluster = this.#state.cluster(row.cluster);
    if (!cluster) {
      return {
        verdict: "refused",
        status: 404,
        message: `cluster \`${row.cluster}\` does not exist any more`,
      };
    }
    const data = spawnWebhookData(this.#state.row(), row);
    const webhook: OutgoingWebhook = { id: `${row.id}_spawn`, type: "backend.spawn", data };
    return judgeAttempt(await this.#ports.send(cluster, webhook, this.#ports.now(), row.attempts + 1));
  }

  #settleSpawn(backendId: string, verdict: DeliveryVerdict): Result<string> {
    const row = this.#state.sql.backend(backendId);
    // Ended, or asked to end, while the attempt was under way: nothing depends on its answer any more.
    if (row?.status !== "scheduled") return this.#settled(backendId);
    const now = this.#ports.now();
    switch (verdict.verdict) {
      case "delivered":
        return this.#spawnAccepted(row, verdict.body, now);
      case "refused":
        endBackend(this.#state, row, "internalerror", now);
        if (row.attempts > 0) this.#stopThere(row, "internalerror", now);
        return fail("cluster_refused", `cluster \`${row.cluster}\` refused the backend: ${verdict.message}`, {
          details: { backend_id: row.id, cluster_status: verdict.status },
        });
      case "retry":
        return this.#spawnFailed(row, verdict, now);
    }
  }

  #spawnAccepted(row: BackendRow, body: string, now: number): Result<string> {
    const url = answeredUrl(body);
    if (url !== null && url !== row.base_url) this.#state.sql.setBaseUrl(row.id, url);
    else this.acknowledge(row);
    const known = url ?? row.base_url;
    if (known !== null) return ok(known);
    beginTermination(this.#state, row, { hard: true, reason: "internalerror" }, now);
    return fail(
      "cluster_bad_answer",
      `cluster \`${row.cluster}\` has no backend_url_template and answered without a usable \`url\`; the backend is being terminated`,
      { details: { backend_id: row.id } },
    );
  }

  #spawnFailed(
    row: BackendRow,
    verdict: Extract<DeliveryVerdict, { verdict: "retry" }>,
    now: number,
  ): Result<string> {
    // A status report can be quicker than the answer that was lost.
    const isAcknowledged = row.next_attempt_at === null || this.#acknowledged.has(row.id);
    if (isAcknowledged && row.base_url !== null) return ok(row.base_url);
    const attempts = row.attempts + 1;
    const delay = spawnRedeliveryDelayMs(attempts, this.#ports.random(), verdict.retryAfterMs);
    if (delay === null) {
      endBackend(this.#state, row, "startuptimeout", now);
      this.#stopThere(row, "startuptimeout", now);
      return clusterUnavailable(row, `${verdict.message}; given up after ${attempts} attempts`);
    }
    this.#state.sql.setNextAttempt(row.id, attempts, now + delay);
    if (row.base_url !== null) return ok(row.base_url);
    return clusterUnavailable(row, `${verdict.message}; it is asked again`);
  }

  /** An earlier attempt may have started the backend although its answer was lost. */
  #stopThere(row: BackendRow, reason: "internalerror" | "startuptimeout", now: number): void {
    enqueueTermination(this.#state, row, { backend_id: row.id, hard: true, reason }, now);
  }

  #settled(backendId: string): Result<string> {
    const row = this.#state.sql.backend(backendId);
    if (row?.base_url != null && row.status !== "terminated") return ok(row.base_url);
    return fail("cluster_unavailable", `backend \`${backendId}\` has no URL`, {
      details: { backend_id: backendId },
    });
  }

  /**
   * Makes one attempt at a delivery that is not a spawn, unless one is under way.
   * @returns the backend that ended with it, if one did
   */
  async send(delivery: DeliveryRow): Promise<string | null> {
    if (this.isSending(delivery.id)) return null;
    if (delivery.backend !== null && this.isSpawning(delivery.backend)) {
      this.#heldBack.add(delivery.backend);
      return null;
    }
    const since = this.#ports.now();
    this.#sending.set(delivery.id, since);
    try {
      const cluster = this.#state.cluster(delivery.cluster);
      const webhook: OutgoingWebhook = {
        id: delivery.id,
        type: delivery.type,
        data: JSON.parse(delivery.data),
      };
      const verdict: DeliveryVerdict = cluster
        ? judgeAttempt(await this.#ports.send(cluster, webhook, this.#ports.now(), delivery.attempts + 1))
        : { verdict: "refused", status: 404, message: "the cluster does not exist any more" };
      return this.#state.db.transaction(() => this.#settleDelivery(delivery, verdict));
    } finally {
      if (this.#sending.get(delivery.id) === since) this.#sending.delete(delivery.id);
    }
  }

  #settleDelivery(delivery: DeliveryRow, verdict: DeliveryVerdict): string | null {
    const current = this.#state.sql.delivery(delivery.id);
    if (!current) return null;
    const now = this.#ports.now();
    const done = (answer: "accepted" | "unknown_there" | "expired") => {
      this.#state.sql.deleteDelivery(current.id);
      const { backend } = current;
      if (backend === null || !terminationDelivered(this.#state, backend, answer, now)) return null;
      return backend;
    };
    if (verdict.verdict === "delivered") return done("accepted");
    if (verdict.verdict === "refused" && verdict.status === 404) return done("unknown_there");
    // Best effort: a cluster that does not want to hear of pins is not asked again.
    if (verdict.verdict === "refused" && current.type === "image.pinned") return done("accepted");
    const attempts = current.attempts + 1;
    const retryAfterMs = verdict.verdict === "retry" ? verdict.retryAfterMs : 0;
    const next = now + redeliveryDelayMs(attempts, this.#ports.random(), retryAfterMs);
    if (next > current.expires_at) return done("expired");
    this.#state.sql.retryDelivery(current.id, attempts, next);
    return null;
  }
}

/** Whether an answer tells no other URL than the one that is known, so that nothing has to be written. */
function isUsual(body: string, baseUrl: string): boolean {
  const url = body === "" || body === "{}" ? null : answeredUrl(body);
  return url === null || url === baseUrl;
}

function clusterUnavailable(row: BackendRow, why: string) {
  return fail("cluster_unavailable", `cluster \`${row.cluster}\`: ${why}`, {
    details: { backend_id: row.id },
    retryAfterSeconds: 2,
  });
}
