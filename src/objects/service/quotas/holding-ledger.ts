import { pushAdmittedMs, recoveryDelayMs } from "../../../domain/limits.ts";
import {
  eachHolding,
  exceeds,
  growth,
  type Holdings,
  mostOf,
  nothingHeld,
  serviceQuotas,
  sumOf,
} from "../../../domain/quotas.ts";
import { ok, type Result } from "../../../domain/result.ts";
import type { Alarm } from "../../alarm.ts";
import type { FailureLog } from "../../failures/failure-log.ts";
import { Serially } from "../../serially.ts";
import type { ServiceState } from "../state.ts";

/** Who makes a change: the registry has stored what it announces, and is not refused. */
export type Changer = "request" | "registry";

/** Rolls a change back that holds more than the account has granted. */
class Ungranted extends Error {
  readonly needed: Holdings;

  constructor(needed: Holdings) {
    super("the account has not granted this much");
    this.needed = needed;
  }
}

export interface LedgerPorts {
  state: Pick<ServiceState, "db" | "sql" | "held">;
  alarm: Pick<Alarm, "noLaterThan">;
  failures: FailureLog;
  /** Has the account count what is held, or about to be. @param isForced it is held already */
  claim(holdings: Holdings, isForced: boolean): Promise<Result<null>>;
}

/**
 * What a service holds of its account's quotas. A change that holds more is made once the account has granted it; until
 * then it is rolled back, so that what a change adds need not be known before. What is held less, the account is
 * notified of afterwards. What the account counts is never less than what is here.
 */
export class HoldingLedger {
  readonly #ports: LedgerPorts;
  /** At the account one at a time, since each says all that is held. */
  readonly #calls = new Serially();
  /** What the account has granted; null until it was asked: at least what is held. */
  #granted: Holdings | null = null;
  /** What a push may add that the registry is about to store. */
  #admitted: { more: Holdings; until: number } | null = null;
  #changesUnderWay = 0;
  /** What was held when nothing was left that the account must be notified of; null: it may be. */
  #settled: ReturnType<ServiceState["held"]> | null = null;
  #isScheduled = false;

  constructor(ports: LedgerPorts) {
    this.#ports = ports;
  }

  /** What is held, or may be without another grant. */
  held(): Holdings {
    return sumOf(this.#used(), this.#reserved());
  }

  /**
   * Makes a change in a transaction. One that adds nothing waits for nothing. `quota_exceeded` where the account does
   * not grant what it adds: then nothing has changed.
   */
  async change<T>(action: () => Result<T>, by: Changer = "request"): Promise<Result<T>> {
    this.#changesUnderWay += 1;
    try {
      for (;;) {
        const made = this.#attempt(action, by);
        if ("result" in made) return made.result;
        const granted = await this.#claim(made.needed, by === "registry");
        if (!granted.ok) return granted;
      }
    } finally {
      this.#changesUnderWay -= 1;
      this.changed();
    }
  }

  /**
   * Sees to it that a push can be recorded for a moment, without recording it. Of pushes to one service there is one at a
   * time. Fails as the push itself would.
   */
  async admit(push: () => Result<unknown>): Promise<Result<null>> {
    this.#admitted = null;
    this.#changesUnderWay += 1;
    try {
      const before = this.#used();
      const pushed = this.#tryOut(push);
      if (!pushed.ok) return pushed;
      const more = growth(before, pushed.value);
      while (exceeds(sumOf(this.#used(), more), this.#grant())) {
        const granted = await this.#claim(sumOf(this.#used(), more), false);
        if (!granted.ok) return granted;
      }
      if (exceeds(more, nothingHeld)) this.#admitted = { more, until: Date.now() + pushAdmittedMs };
      return ok(null);
    } finally {
      this.#changesUnderWay -= 1;
      this.changed();
    }
  }

  /** Call after whatever may have changed what is held, also inside its transaction. */
  changed(): void {
    if (this.#isScheduled || this.#isSettled()) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      void this.settle();
    });
  }

  /** Notifies the account where it counts more than is held. Never rejects: what fails is done again by the alarm. */
  async settle(): Promise<void> {
    if (this.#isSettled() || !this.#ports.state.db.ready) return;
    await this.#calls.run("", async () => {
      // A change that is under way may need what it was granted; it settles when it is done.
      if (this.#changesUnderWay > 0) return;
      const held = this.held();
      if (this.#admitted) this.#ports.alarm.noLaterThan(this.#admitted.until);
      if (!exceeds(this.#claimed(), held)) {
        this.#settled = this.#admitted === null ? this.#ports.state.held() : null;
        return;
      }
      this.#settled = null;
      // Before the call: what is granted is what the account counts at the least.
      this.#granted = held;
      this.#ports.alarm.noLaterThan(Date.now() + recoveryDelayMs);
      const taken = await this.#ports.failures.attemptResult("notify the account of what is held", () =>
        this.#ports.claim(held, true),
      );
      if (!taken) return;
      this.#setClaimed(held);
      this.#settled = this.#admitted === null ? this.#ports.state.held() : null;
    });
  }

  /** @returns what is to be granted before, where nothing was changed for that */
  #attempt<T>(action: () => Result<T>, by: Changer): { result: Result<T> } | { needed: Holdings } {
    const { db } = this.#ports.state;
    const before = this.#used();
    const granted = this.#grant();
    try {
      return {
        result: db.transaction(() => {
          const result = action();
          const after = this.#used();
          if (after === before) return result;
          const more = growth(before, after);
          if (!exceeds(more, nothingHeld)) return result;
          const reserved = by === "registry" ? growth(more, this.#reserved()) : this.#reserved();
          const needed = eachHolding((quota) => (more[quota] > 0 ? after[quota] + reserved[quota] : 0));
          if (exceeds(needed, granted)) throw new Ungranted(needed);
          if (by === "registry") this.#reserve(reserved);
          return result;
        }),
      };
    } catch (error) {
      if (error instanceof Ungranted) return { needed: error.needed };
      throw error;
    }
  }

  /** What would be held after a change, which is not made. */
  #tryOut(action: () => Result<unknown>): Result<Holdings> {
    const { db } = this.#ports.state;
    try {
      return db.transaction(() => {
        const result = action();
        if (!result.ok) return result;
        throw new Ungranted(this.#used());
      });
    } catch (error) {
      if (error instanceof Ungranted) return ok(error.needed);
      throw error;
    }
  }

  async #claim(needed: Holdings, isForced: boolean): Promise<Result<null>> {
    return this.#calls.run("", async () => {
      const granted = this.#grant();
      if (!exceeds(needed, granted)) return ok(null);
      const before = this.#claimed();
      const wanted = mostOf(needed, granted);
      // Before the call: where it is cut short, the alarm settles what it leaves behind.
      this.#setClaimed(mostOf(wanted, before));
      this.#ports.alarm.noLaterThan(Date.now() + recoveryDelayMs);
      const answer = await this.#ports.claim(wanted, isForced);
      if (answer.ok) this.#granted = wanted;
      else this.#setClaimed(mostOf(before, this.#used()));
      return answer;
    });
  }

  #used(): Holdings {
    return this.#ports.state.held().used;
  }

  #claimed(): Holdings {
    return this.#ports.state.held().claimed;
  }

  #isSettled(): boolean {
    return this.#settled !== null && this.#settled === this.#ports.state.held();
  }

  #setClaimed(claimed: Holdings): void {
    const { db, sql } = this.#ports.state;
    db.transaction(() => {
      for (const quota of serviceQuotas) sql.setClaimed(quota, claimed[quota]);
    });
  }

  #grant(): Holdings {
    this.#granted ??= this.#used();
    return this.#granted;
  }

  #reserve(more: Holdings): void {
    const until = this.#admitted?.until ?? 0;
    this.#admitted = exceeds(more, nothingHeld) ? { more, until } : null;
  }

  #reserved(): Holdings {
    if (this.#admitted && this.#admitted.until <= Date.now()) this.#admitted = null;
    return this.#admitted?.more ?? nothingHeld;
  }
}
