import {
  afterDeliveryCursor,
  batchesToDrop,
  type Delivery,
  type DeliveryAttempt,
  deliveryCursor,
  groupedDeliveries,
  type ServiceAttempt,
} from "../../../domain/deliveries/delivery-log.ts";
import { deliveryAttemptsKept, deliveryAttemptsKeptMs } from "../../../domain/limits.ts";
import type { Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { DeliveryAttemptView, DeliveryQuery, DeliveryView } from "../../../protocol/v3/deliveries.ts";
import type { Page } from "../../../protocol/v3/list.ts";
import type { LoggedAttempt, SentAttempts } from "../../contract.ts";
import type { Database } from "../../database.ts";
import { type Keys, pageOf } from "../../page.ts";
import { deliveriesSql } from "./deliveries.sql.ts";

/** Holds a row of the longest errors well below the 2 MB that a row may have. */
const attemptsInRow = 500;

type KeptAttempt = ServiceAttempt & LoggedAttempt;

/** The attempts to deliver a cluster's webhooks, each registration's apart. */
export class DeliveryLog {
  readonly #db: Database;
  readonly #sql: ReturnType<typeof deliveriesSql>;

  constructor(db: Database) {
    this.#db = db;
    this.#sql = deliveriesSql(db);
  }

  /** The latest registration of which attempts are kept; null where none are. */
  newestRegistration(): number | null {
    return this.#db.ready ? this.#sql.newestRegistration() : null;
  }

  /** Writes attempts down, and drops what is past its keeping. */
  record({ registration, service, attempts }: Omit<SentAttempts, "account" | "cluster">, now: number): void {
    this.#db.transaction(() => {
      if ((this.#sql.newestRegistration() ?? registration) > registration) return;
      this.#sql.deleteRegistrationsBefore(registration);
      const newest = attempts.slice(-deliveryAttemptsKept);
      for (let start = 0; start < newest.length; start += attemptsInRow) {
        const batch = newest.slice(start, start + attemptsInRow);
        const list = JSON.stringify(batch);
        this.#sql.insertBatch({ registration, service, at: now, attempts: batch.length, list });
      }
      this.#drop(now);
    });
  }

  /** Drops what is past its keeping. @returns when to do so again; null where nothing is kept */
  prune(now: number): number | null {
    if (!this.#db.ready) return null;
    this.#db.transaction(() => this.#drop(now));
    return this.dueAt(now);
  }

  /** When the oldest of what is kept is to be dropped. */
  dueAt(now: number): number | null {
    const oldest = this.#sql.oldestAt();
    return oldest === null ? null : Math.max(oldest + deliveryAttemptsKeptMs, now + 1);
  }

  #drop(now: number): void {
    const dropped = batchesToDrop(this.#sql.batches(), now);
    if (dropped.length > 0) this.#sql.deleteBatches(dropped);
  }

  /** `bad_request` for a cursor that no list gave. */
  page(registration: number, query: DeliveryQuery, now: number): Result<Page<DeliveryView>> {
    const matching = this.#deliveries(registration, now).filter((one) => matches(query, one));
    return pageOf(query, deliveryKeys, {
      read: ({ key, leadsBack }, atMost) => {
        const isBeyond = key === deliveryKeys.start ? () => true : afterDeliveryCursor(key, leadsBack);
        const beyond = matching.filter((one) => isBeyond?.(one));
        return leadsBack ? beyond.slice(-atMost).reverse() : beyond.slice(0, atMost);
      },
      keyOf: deliveryCursor,
      item: deliveryView,
    });
  }

  find(registration: number, id: string, now: number): Delivery<KeptAttempt> | undefined {
    return this.#deliveries(registration, now).find((delivery) => delivery.id === id);
  }

  #deliveries(registration: number, now: number): Delivery<KeptAttempt>[] {
    if (!this.#db.ready) return [];
    const attempts = this.#sql.attemptsOf(registration).flatMap(({ service, list }) => {
      const logged: LoggedAttempt[] = JSON.parse(list);
      return logged.map((attempt) => ({ ...attempt, service }));
    });
    return groupedDeliveries(attempts, now);
  }
}

/** What `deliveryCursor` makes. */
const deliveryKeys: Keys<string> = {
  start: "",
  parse: (text) => (afterDeliveryCursor(text) === null ? null : text),
};

function matches({ service, outcome }: DeliveryQuery, delivery: Delivery): boolean {
  return (
    (service === undefined || delivery.first.service === service) &&
    (outcome === undefined || (outcome === "delivered") === (delivery.outcome === "delivered"))
  );
}

function deliveryView({ id, first, attempts, outcome }: Delivery): DeliveryView {
  return {
    id,
    type: first.type,
    ...(first.service === null ? {} : { service: first.service }),
    ...(first.environment === undefined ? {} : { environment: first.environment }),
    ...(first.backendId === undefined ? {} : { backend_id: first.backendId }),
    attempts: attempts.map(attemptView),
    outcome,
  };
}

export function attemptView(attempt: DeliveryAttempt): DeliveryAttemptView {
  return {
    time: isoTime(attempt.time),
    attempt: attempt.attempt,
    status: attempt.status,
    duration_ms: attempt.durationMs,
    error: attempt.error,
  };
}
