import { type DeliveryVerdict, judgeAttempt } from "../../../domain/deliveries/delivery.ts";
import { announcedAgainAfterMs, announcedWrittenEveryMs, pinnedRetryForMs } from "../../../domain/limits.ts";
import type { Turn } from "../../webhooks/send-queue.ts";
import { announcementOf } from "../pins/announce.ts";
import type { EnvironmentRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import type { DeliveryPorts } from "./delivery-ports.ts";
import { Drain, type UnderWay } from "./drain.ts";
import { type SentAnnouncement, settleAnnouncement } from "./settle.ts";
import type { Taken } from "./taken.ts";

/** An environment's move that is to be announced. */
interface Move {
  id: string;
  /** The environment's number. */
  environment: number;
  cluster: string;
  next_attempt_at: number;
}

export interface AnnouncerPorts extends DeliveryPorts {
  taken: Taken;
  /** Waits for a cluster's turn. */
  turnOf(cluster: string, underWay: UnderWay): Promise<Turn | null>;
  /** Called when a move was announced, or has failed. */
  letGo(cluster: string, id: string): void;
}

/**
 * Announces to clusters what environments were moved to, from memory: the first attempt at each costs no row. What was moved again
 * before its turn, or within a moment of it, is announced once, as it is then. An attempt that has failed is a delivery.
 */
export class Announcer {
  readonly #state: ServiceState;
  readonly #ports: AnnouncerPorts;
  readonly #moves: Drain<void>;
  /** When it was last written up to where all is announced, in milliseconds since the epoch. */
  #writtenAt = 0;

  constructor(state: ServiceState, ports: AnnouncerPorts) {
    this.#state = state;
    this.#ports = ports;
    this.#moves = new Drain(ports.now);
  }

  /** Starts what is due. @returns when to look again */
  start(now: number): number | null {
    const moves = this.#state.announcements.waiting().flatMap((row) => this.#moveOf(row, now));
    return this.#moves.startDue(moves, now, (move) => {
      if (!this.#ports.taken.take(move.cluster, move.id)) return;
      void this.#moves.joinOrStart(move.id, (underWay) => this.#announce(move, underWay));
    });
  }

  /** What is due of an environment: nothing where that would come too late, or has no cluster to go to. */
  #moveOf(row: EnvironmentRow, now: number): Move[] {
    const { defaultCluster, clusters } = this.#state.config();
    const cluster = clusters.find(({ name }) => name === (row.cluster ?? defaultCluster))?.name;
    if (cluster === undefined || row.moved_at + pinnedRetryForMs <= now) {
      this.#state.announcements.done(row);
      return [];
    }
    return [{ id: `move of ${row.seq}`, environment: row.seq, cluster, next_attempt_at: now }];
  }

  async #announce(move: Move, underWay: UnderWay): Promise<void> {
    const { announcements, db } = this.#state;
    const { now, random, wakeBy, letGo } = this.#ports;
    try {
      const made = await this.#attempt(move, underWay);
      if (made) {
        const settle = () => settleAnnouncement(this.#state, made.sent, made.verdict, now(), random);
        wakeBy(made.verdict.verdict === "retry" ? db.transaction(settle) : settle());
      }
      if (announcements.waits(move.environment)) await pause(announcedAgainAfterMs);
    } finally {
      underWay.ended();
      letGo(move.cluster, move.id);
      this.#goOn(move);
    }
  }

  /** Announces what an environment was moved to meanwhile. Where nothing is left that is written, but not after each of many. */
  #goOn({ environment }: Move): void {
    const { announcements, db } = this.#state;
    const now = this.#ports.now();
    if (announcements.waits(environment)) this.#ports.wakeBy(this.start(now));
    else if (announcements.isDone && now - this.#writtenAt >= announcedWrittenEveryMs) {
      this.#writtenAt = now;
      db.transaction(() => announcements.write());
    }
  }

  /** Announces an environment's last move when its turn has come. @returns null where it is not to be announced there any more */
  async #attempt(
    { environment, cluster: of }: Move,
    underWay: UnderWay,
  ): Promise<{ sent: SentAnnouncement; verdict: DeliveryVerdict } | null> {
    const turn = await this.#ports.turnOf(of, underWay);
    const row = this.#state.announcements.waits(environment);
    const [due] = row ? this.#moveOf(row, this.#ports.now()) : [];
    const cluster = this.#state.cluster(of);
    if (!row || due?.cluster !== of || !cluster) {
      turn?.unused();
      return null;
    }
    const announcement = announcementOf(this.#state, row);
    const result = await this.#ports.attempt(cluster, announcement, 1, turn);
    const verdict = judgeAttempt(result, announcement.type);
    return { sent: { row, cluster: of, announcement }, verdict };
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
