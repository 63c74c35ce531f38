import type { BackendStatus } from "../../../domain/backends/status.ts";
import {
  usageKeptMs,
  usagePointsMax,
  usageWriteAfterMs,
  usageWriteWithinMs,
} from "../../../domain/limits.ts";
import { ok, type Result } from "../../../domain/result.ts";
import {
  histogramOf,
  mergeHistograms,
  type StartupHistogram,
} from "../../../domain/usage/startup-histogram.ts";
import {
  type EnvironmentUsage,
  eventOfStep,
  minuteOf,
  noUsage,
  tooManyPoints,
  type UsageEvent,
  type UsageRange,
  type UsageTotals,
  usageOf,
  usageSteps,
} from "../../../domain/usage/usage.ts";
import {
  addToBlock,
  blockOf,
  stretchesOf,
  type UsageStretch,
  usageReading,
} from "../../../domain/usage/usage-blocks.ts";
import type { Database } from "../../database.ts";
import type { EnvironmentIndex } from "../environment-index.ts";
import type { BackendRow } from "../sql/service.sql.ts";
import type { Statements } from "../sql/statements.ts";

type UsageSql = Pick<Statements, "lastTokenOfDeleted" | "usageIn" | "usageOf" | "putUsage">;

/** What happened in a minute, as it is counted. */
interface Counting {
  readonly totals: UsageTotals;
  startup: StartupHistogram;
}

/**
 * Counts what happens in each environment. Counting is done in memory, so that it adds nothing to what a connect
 * writes, and written down with the object's other work. A process that is killed loses what was counted since: of
 * the last 60 s at most. Nothing but plots depends on it.
 */
export class UsageCounters {
  readonly #db: Database;
  readonly #sql: UsageSql;
  readonly #environments: Pick<EnvironmentIndex, "reached">;
  /** What is not written down yet, by the environment's name and the minute. */
  readonly #counted = new Map<string, Map<number, Counting>>();
  /** When the first of it was counted, in milliseconds since the epoch. */
  #since: number | null = null;

  constructor(db: Database, sql: UsageSql, environments: Pick<EnvironmentIndex, "reached">) {
    this.#environments = environments;
    this.#db = db;
    this.#sql = sql;
  }

  /**
   * @param now milliseconds since the epoch, as all times here
   * @param startup how long it took to become ready, where that is the event
   */
  count(environment: string, event: UsageEvent, now: number, startup?: StartupHistogram): void {
    const minutes = this.#counted.get(environment) ?? new Map<number, Counting>();
    this.#counted.set(environment, minutes);
    const minute = minuteOf(now);
    const counting = minutes.get(minute) ?? { ...noUsage, totals: { ...noUsage.totals } };
    minutes.set(minute, counting);
    counting.totals[event] += 1;
    if (startup) counting.startup = mergeHistograms(counting.startup, startup);
    this.#since ??= now;
  }

  /**
   * Counts what a step of a backend's life amounts to. One of a service that was deleted since is not counted for the
   * environment that has its name now.
   * @param row as it was before the step
   */
  countStep(
    row: Pick<BackendRow, "environment" | "status" | "created_at" | "fencing_token">,
    step: { status: BackendStatus; time: number },
  ): void {
    const event = eventOfStep(row.status, step.status);
    if (event === null || row.fencing_token <= this.#sql.lastTokenOfDeleted()) return;
    const startup = event === "ready" ? histogramOf([step.time - row.created_at]) : undefined;
    this.count(row.environment, event, step.time, startup);
  }

  /** Drops what was counted for an environment that is deleted, or for all: another may be made with its name. */
  forget(environment?: string): void {
    if (environment === undefined) this.#counted.clear();
    else this.#counted.delete(environment);
    if (this.#counted.size === 0) this.#since = null;
  }

  /** When the object must wake at the latest to write down what was counted; null while there is nothing. */
  writeBy(): number | null {
    return this.#since === null ? null : this.#since + usageWriteWithinMs;
  }

  /** Writes down what was counted, unless all of it is quite new: one row for each environment, and block of time. */
  flush(now: number): void {
    if (this.#since === null || now - this.#since < usageWriteAfterMs) return;
    this.#db.transaction(() => this.#write());
    this.#counted.clear();
    this.#since = null;
  }

  #write(): void {
    for (const { seq, name } of this.#environments.reached([...this.#counted.keys()])) {
      const blocks = Map.groupBy(this.#unwritten(name), ({ at }) => blockOf(at));
      for (const [block, counted] of blocks) {
        const stored = this.#sql.usageIn(block, seq);
        this.#sql.putUsage({ block, environment: seq, ...addToBlock(stored, block, counted) });
      }
    }
  }

  /**
   * What happened in the environments that there are, the oldest first, with what is not written down yet.
   * @param query `environments` are the names that the caller may see; undefined means all
   * @returns `bad_request` for a range that is none, or has too many steps, in one environment or in all together
   */
  usage(
    { environments: allowed, ...range }: UsageRange & { environments?: readonly string[] },
    now: number,
  ): Result<EnvironmentUsage[]> {
    const steps = usageSteps(range);
    if (!steps.ok) return steps;
    const { count } = steps.value;
    const environments = this.#environments.reached(allowed);
    if (environments.length * count > usagePointsMax) return tooManyPoints(environments.length, count);
    const since = now - usageKeptMs;
    const seqs = environments.map(({ seq }) => seq);
    const rows = this.#sql.usageOf(seqs, usageReading(steps.value, since));
    const written = Map.groupBy(rows, ({ environment }) => environment);
    return ok(
      environments.map(({ seq, name }) => {
        const blocks = written.get(seq) ?? [];
        const shown = blocks.flatMap((row) => [...stretchesOf(row, row.block, steps.value, since)]);
        return usageOf(name, [...shown, ...this.#unwritten(name)], steps.value);
      }),
    );
  }

  #unwritten(environment: string): UsageStretch[] {
    return Array.from(this.#counted.get(environment) ?? [], ([at, counts]) => ({ at, counts }));
  }
}
