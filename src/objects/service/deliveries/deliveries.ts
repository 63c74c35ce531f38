import { isConnectable } from "../../../domain/backends/status.ts";
import { type DeliveryVerdict, judgeAttempt } from "../../../domain/deliveries/delivery.ts";
import { earliest } from "../../../domain/deliveries/retry.ts";
import { nextDeliveriesAfterMs, turnAwaitedMs } from "../../../domain/limits.ts";
import { ok, type Result } from "../../../domain/result.ts";
import type { Turn } from "../../webhooks/send-queue.ts";
import type { DeliveredWebhook } from "../../webhooks/webhook-sender.ts";
import { isSuperseded } from "../pins/announce.ts";
import type { BackendRow, PendingDelivery } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { Announcer } from "./announcer.ts";
import type { DeliveryPorts } from "./delivery-ports.ts";
import { Drain, type UnderWay } from "./drain.ts";
import { settleDelivery, settleSpawn, spawnOutcome } from "./settle.ts";
import { Taken } from "./taken.ts";
import { answeredUrl, spawnWebhookData } from "./webhooks.ts";

/**
 * The webhooks of one service. What waits lies in the rows: a spawn in its backend's, the first attempt to announce what an environment was
 * moved to in the environment's, everything else in `deliveries`.
 * Each attempt ends in one transaction, which removes what it delivered or schedules the next attempt.
 */
export class Deliveries {
  readonly #state: ServiceState;
  readonly #ports: DeliveryPorts;
  readonly #spawns: Drain<Result<string>>;
  readonly #others: Drain<void>;
  /** Backends whose termination waits for the spawn that is under way, so that it cannot overtake it. */
  readonly #heldBack = new Set<string>();
  readonly #announcer: Announcer;
  /** What was taken up of everything else. */
  readonly #taken = new Taken();

  constructor(state: ServiceState, ports: DeliveryPorts) {
    this.#state = state;
    this.#ports = ports;
    this.#spawns = new Drain(ports.now);
    this.#others = new Drain(ports.now);
    this.#announcer = new Announcer(state, {
      ...ports,
      taken: this.#taken,
      turnOf: (cluster, underWay) => this.#turn(cluster, underWay),
      letGo: (cluster, id) => this.#letGo(id, cluster),
    });
  }

  isSpawning(backendId: string): boolean {
    return this.#spawns.isUnderWay(backendId);
  }

  isSending(deliveryId: string): boolean {
    return this.#others.isUnderWay(deliveryId);
  }

  /** Starts the spawns that are due. @returns when to look again */
  startSpawns(now: number): number | null {
    const unacknowledged = this.#state.backends.unacknowledged();
    return this.#spawns.startDue(unacknowledged, now, ({ id }) => void this.spawn(id));
  }

  /** Starts everything else that is due. @returns when to look again */
  startOthers(now: number): number | null {
    return earliest([
      this.#others.startDue(this.#state.deliveries.all(), now, (delivery) => this.#start(delivery)),
      this.#announcer.start(now),
    ]);
  }

  /**
   * Makes one attempt to deliver a spawn, or joins the one under way.
   * @param known the backend's row, where the caller has just written or read it
   * @returns the backend's URL; `cluster_refused` or `cluster_bad_answer` when it is over, `cluster_unavailable`
   *   while it goes on and its URL is not known
   */
  spawn(backendId: string, known?: BackendRow): Promise<Result<string>> {
    return this.#spawns.joinOrStart(backendId, async (underWay) => {
      let leavesWork = true;
      try {
        const row = this.#state.backend(backendId);
        const made =
          row && (await this.#attemptSpawn(row, underWay, (now) => !this.#state.spawns.isAcknowledged(now)));
        if (!made) return spawnOutcome(this.#state, backendId);
        const { sent, verdict } = made;
        const { base_url: url } = sent;
        const isUsual = verdict.verdict === "delivered" && url !== null && isWithoutNewUrl(verdict.body, url);
        const present = isUsual ? this.#state.backend(backendId) : undefined;
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
        underWay.ended();
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
    const row = this.#state.backend(backendId);
    const isRepeated = row && isConnectable(row.status) && this.#state.spawns.isAcknowledged(row);
    return isRepeated ? this.repeatSpawn(backendId) : spawnOutcome(this.#state, backendId);
  }

  /**
   * Sends a spawn once more that the cluster has acknowledged, or joins the attempt under way. The answer changes nothing
   * but a URL that was not known: the backend lives by what was acknowledged before.
   */
  repeatSpawn(backendId: string): Promise<Result<string>> {
    return this.#spawns.joinOrStart(backendId, async (underWay) => {
      try {
        const row = this.#state.backend(backendId);
        const made = row && (await this.#attemptSpawn(row, underWay, ({ status }) => isConnectable(status)));
        const url = made?.verdict.verdict === "delivered" ? answeredUrl(made.verdict.body) : null;
        const current = this.#state.backend(backendId);
        if (url !== null && current && current.status !== "terminated" && current.base_url === null) {
          this.#state.spawns.acknowledgeWithUrl(backendId, url);
        }
        return spawnOutcome(this.#state, backendId);
      } finally {
        underWay.ended();
        this.#spawnEnded(backendId, false);
      }
    });
  }

  #spawnEnded(backendId: string, leavesWork: boolean): void {
    if (this.#heldBack.delete(backendId) || leavesWork) this.#ports.leftWork();
  }

  /**
   * Attempts a spawn when its turn has come.
   * @param isMeant whether it is still to be sent then
   * @returns the row that was sent and what follows, or null where it was not to be sent any more
   */
  async #attemptSpawn(
    before: BackendRow,
    underWay: UnderWay,
    isMeant: (row: BackendRow) => boolean,
  ): Promise<{ sent: BackendRow; verdict: DeliveryVerdict } | null> {
    if (!isMeant(before)) return null;
    const granted = this.#ports.turns.turn(before.cluster, "spawns", turnAwaitedMs);
    const hasWaited = granted instanceof Promise;
    const turn = hasWaited ? await granted : granted;
    if (hasWaited) underWay.sent();
    const row = hasWaited ? this.#state.backend(before.id) : before;
    const cluster = this.#state.cluster(before.cluster);
    if (!row || !isMeant(row) || !cluster) {
      turn?.unused();
      if (!row || !isMeant(row)) return null;
      return { sent: row, verdict: clusterGone(`cluster \`${row.cluster}\` does not exist any more`) };
    }
    const data = spawnWebhookData(this.#state.row(), row);
    const webhook: DeliveredWebhook = { id: `${row.id}_spawn`, type: "backend.spawn", data };
    const result = await this.#ports.attempt(cluster, webhook, row.attempts + 1, turn);
    return { sent: row, verdict: judgeAttempt(result, webhook.type) };
  }

  /** Takes a delivery up, unless enough of its cluster were: then it has its turn after them. */
  #start({ id, cluster, backend }: PendingDelivery): void {
    if (backend !== null && this.isSpawning(backend)) {
      this.#heldBack.add(backend);
    } else if (this.#taken.take(cluster, id)) {
      void this.#others.joinOrStart(id, (underWay) => this.#deliver(id, cluster, underWay));
    }
  }

  async #turn(cluster: string, underWay: UnderWay): Promise<Turn | null> {
    const granted = this.#ports.turns.turn(cluster, "others", null);
    if (granted instanceof Promise) underWay.waits();
    const turn = await granted;
    underWay.sent();
    return turn;
  }

  async #deliver(id: string, cluster: string, underWay: UnderWay): Promise<void> {
    try {
      const verdict = await this.#attemptDelivery(id, cluster, underWay);
      if (!verdict) return;
      const wakeAt = this.#state.db.transaction(() =>
        settleDelivery(this.#state, id, verdict, this.#ports.now(), this.#ports.random),
      );
      this.#ports.wakeBy(wakeAt);
    } finally {
      underWay.ended();
      this.#letGo(id, cluster);
    }
  }

  #letGo(id: string, cluster: string): void {
    const left = this.#taken.letGo(cluster, id);
    if (left === "some") return;
    const isMore = left === "more" || this.#state.sql.openMassTerminations().length > 0;
    if (isMore) this.#ports.wakeBy(this.#ports.now() + nextDeliveriesAfterMs);
  }

  /** Attempts a delivery when its turn has come. @returns null where it has become of no use meanwhile */
  async #attemptDelivery(id: string, of: string, underWay: UnderWay): Promise<DeliveryVerdict | null> {
    const turn = await this.#turn(of, underWay);
    const delivery = this.#state.sql.delivery(id);
    const cluster = this.#state.cluster(of);
    if (!delivery || !cluster || delivery.expires_at <= this.#ports.now()) {
      turn?.unused();
      if (!delivery) return null;
      return cluster
        ? judgeAttempt({ outcome: "unsent" }, delivery.type)
        : clusterGone("the cluster does not exist any more");
    }
    const webhook: DeliveredWebhook = { id, type: delivery.type, data: JSON.parse(delivery.data) };
    if (webhook.type === "image.pinned" && isSuperseded(this.#state, webhook.data)) {
      turn?.unused();
      return { verdict: "delivered", body: "" };
    }
    const result = await this.#ports.attempt(cluster, webhook, delivery.attempts + 1, turn);
    return judgeAttempt(result, delivery.type);
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
