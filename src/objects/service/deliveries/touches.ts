import type { AttemptResult } from "../../../domain/deliveries/delivery.ts";
import { judgeTouch, mustBeTouched, type TouchOutcome } from "../../../domain/deliveries/touch.ts";
import { touchAwaitedMs, touchNotSupportedForMs } from "../../../domain/limits.ts";
import type { ClusterConfig } from "../../contract.ts";
import type { SendQueue, Turn } from "../../webhooks/send-queue.ts";
import type { OutgoingWebhook } from "../../webhooks/webhook-sender.ts";
import type { BackendRow } from "../sql/service.sql.ts";
import type { BackendSpec, ServiceState } from "../state.ts";
import { Drain, type UnderWay } from "./drain.ts";

export interface TouchPorts {
  /** Whose turn it is to be sent. */
  turns: Pick<SendQueue, "turn">;
  send(cluster: ClusterConfig, webhook: OutgoingWebhook, turn: Turn): Promise<AttemptResult>;
  /** Milliseconds since the epoch. */
  now(): number;
}

/**
 * Touches of backends, before they are handed out: each is one call to the cluster, which nothing is written for, and which all
 * share that wait for it.
 */
export class Touches {
  readonly #state: ServiceState;
  readonly #ports: TouchPorts;
  readonly #underWay: Drain<TouchOutcome>;
  /** Until when clusters are sent none that do not know touches, by `registrationKey`. */
  readonly #notSupported = new Map<string, number>();

  constructor(state: ServiceState, ports: TouchPorts) {
    this.#state = state;
    this.#ports = ports;
    this.#underWay = new Drain(ports.now);
  }

  /** Whether a backend must be touched before it is handed out. @param spec the row's */
  isNeeded(row: BackendRow, { maxIdleSeconds }: Pick<BackendSpec, "maxIdleSeconds">, now: number): boolean {
    if (row.status !== "ready") return false;
    const activeAt = this.#state.activity.activeAt(row);
    if (!mustBeTouched({ maxIdleSeconds, activeAt }, now)) return false;
    const cluster = this.#state.cluster(row.cluster);
    return cluster !== undefined && now >= (this.#notSupported.get(registrationKey(cluster)) ?? 0);
  }

  /** Touches a backend, or joins the touch under way. Resolves within `touchAwaitedMs`; a touch goes on after that. */
  async touch({ id, cluster }: Pick<BackendRow, "id" | "cluster">): Promise<TouchOutcome> {
    const touch = this.#underWay.joinOrStart(id, (underWay) => this.#send(id, cluster, underWay));
    const late = Promise.withResolvers<TouchOutcome>();
    const timer = setTimeout(() => late.resolve("unknown"), touchAwaitedMs);
    try {
      return await Promise.race([touch, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #send(id: string, clusterName: string, underWay: UnderWay): Promise<TouchOutcome> {
    try {
      const turn = await this.#ports.turns.turn(clusterName, "spawns", touchAwaitedMs);
      underWay.sent();
      const cluster = this.#state.cluster(clusterName);
      if (!turn || !cluster || !this.#isReady(id)) {
        turn?.unused();
        return "unknown";
      }
      const sentAt = this.#ports.now();
      const result = await this.#ports.send(
        cluster,
        { id: `${id}_touch_${crypto.randomUUID()}`, type: "backend.touch", data: { backend_id: id } },
        turn,
      );
      const now = this.#ports.now();
      const outcome = judgeTouch(result, this.#state.activity.isListed(id, now));
      if (outcome === "alive" && this.#isReady(id)) this.#state.activity.touched(id, sentAt);
      if (outcome === "not_supported") this.#noteNotSupported(cluster, now);
      return outcome;
    } finally {
      underWay.ended();
    }
  }

  #isReady(id: string): boolean {
    return this.#state.backend(id)?.status === "ready";
  }

  #noteNotSupported(cluster: ClusterConfig, now: number): void {
    for (const [key, until] of this.#notSupported) if (until <= now) this.#notSupported.delete(key);
    this.#notSupported.set(registrationKey(cluster), now + touchNotSupportedForMs);
  }
}

function registrationKey({ name, registration = 0, webhookUrl }: ClusterConfig): string {
  return `${registration} ${name} ${webhookUrl}`;
}
