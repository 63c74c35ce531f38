import { backoffDelayMs } from "../../../domain/deliveries/retry.ts";
import {
  eventOutboxBackoff,
  eventOutboxCallMs,
  eventsGatheredMs,
  eventsSentAtOnce,
  recoveryDelayMs,
} from "../../../domain/limits.ts";
import type { Result } from "../../../domain/result.ts";
import type { AccountEvent } from "../../../protocol/v3/events.ts";
import type { Alarm } from "../../alarm.ts";
import type { Database } from "../../database.ts";
import { type EventParams, newEvent } from "../../events.ts";
import type { FailureLog } from "../../failures/failure-log.ts";
import type { Statements } from "../sql/statements.ts";

/**
 * Records what was done in a service, inside the transaction of the change itself; it is sent to the account after the
 * commit.
 * @param now milliseconds since the epoch
 */
export function recordEvent(
  { sql }: { sql: Pick<Statements, "queueEvent"> },
  params: EventParams,
  now: number,
): void {
  const event = newEvent(params, now);
  sql.queueEvent(event.id, JSON.stringify(event));
}

interface Stored {
  db: Pick<Database, "ready">;
  sql: Pick<Statements, "queuedEvents" | "dropQueuedEvents">;
}

/**
 * Sends a service's events to its account until it has taken them: at least once each, the oldest first. The first at once,
 * those in quick succession together.
 */
export class EventOutbox {
  readonly #state: Stored;
  readonly #alarm: Pick<Alarm, "noLaterThan">;
  readonly #failureLog: FailureLog;
  readonly #send: (events: AccountEvent[]) => Promise<Result<null>>;
  #isScheduled = false;
  #isSending = false;
  /** When a call last ended, in milliseconds since the epoch. */
  #sentAt = 0;
  /** Whether there may be more than the call that is under way takes. */
  #isMore = false;
  /** Until when some wait for more, in milliseconds since the epoch; 0: none do. */
  #gathersUntil = 0;
  #failures = 0;

  /** @param send gives events to the account; rejects where it cannot be reached */
  constructor(
    state: Stored,
    alarm: Pick<Alarm, "noLaterThan">,
    failureLog: FailureLog,
    send: (events: AccountEvent[]) => Promise<Result<null>>,
  ) {
    this.#state = state;
    this.#alarm = alarm;
    this.#failureLog = failureLog;
    this.#send = send;
  }

  /** Call at every write of an event, also one that is rolled back: it looks after the transaction. */
  changed(): void {
    if (this.#isScheduled || Date.now() < this.#gathersUntil) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (!this.#isSending && Date.now() - this.#sentAt < eventsGatheredMs) this.#gather();
      else void this.send();
    });
  }

  /** Sends what is there, unless that is under way. Never rejects: what was not taken is sent again by the alarm. */
  async send(): Promise<void> {
    const { db, sql } = this.#state;
    this.#isMore = true;
    if (this.#isSending || !db.ready) return;
    this.#isSending = true;
    try {
      for (;;) {
        this.#isMore = false;
        const rows = sql.queuedEvents(eventsSentAtOnce);
        if (rows.length === 0) return;
        this.#keepAlarm();
        if (!(await this.#isTaken(rows.map(({ event }) => event)))) {
          this.#failures += 1;
          this.#alarm.noLaterThan(Date.now() + this.#delayMs());
          return;
        }
        this.#failures = 0;
        sql.dropQueuedEvents(rows.map(({ id }) => id));
        this.#sentAt = Date.now();
        if (rows.length === eventsSentAtOnce) continue;
        if (this.#isMore) this.#gather();
        return;
      }
    } finally {
      this.#isSending = false;
    }
  }

  /** Before a call, or what it waits for: it may be cut short, with this object. At the time that its webhooks set an alarm for too. */
  #keepAlarm(): void {
    this.#alarm.noLaterThan(Date.now() + Math.max(recoveryDelayMs, this.#delayMs()));
  }

  #gather(): void {
    this.#keepAlarm();
    this.#gathersUntil = Date.now() + eventsGatheredMs;
    setTimeout(() => {
      this.#gathersUntil = 0;
      void this.send();
    }, eventsGatheredMs);
  }

  async #isTaken(events: readonly string[]): Promise<boolean> {
    const taken = await this.#failureLog.attemptResult("record events at the account", () =>
      this.#send(events.map((event) => JSON.parse(event))),
    );
    return taken !== null;
  }

  #delayMs(): number {
    return eventOutboxCallMs + backoffDelayMs(eventOutboxBackoff, this.#failures + 1, Math.random());
  }
}
