import type { BackendStatus } from "../../../domain/backends/status.ts";
import { reaches } from "../../../domain/credentials/access.ts";
import {
  usageDeletedAtOnce,
  usageDeleteEveryMs,
  usageKeptMs,
  usagePointsMax,
  usageWriteAfterMs,
  usageWriteWithinMs,
} from "../../../domain/limits.ts";
import { ok, type Result } from "../../../domain/result.ts";
import { histogramOf } from "../../../domain/usage/startup-histogram.ts";
import {
  countOf,
  decodeUsage,
  type EnvironmentUsage,
  encodeUsage,
  eventOfStep,
  mergeUsage,
  minuteOf,
  noUsage,
  tooManyPoints,
  type UsageCounts,
  type UsageRange,
  usageOf,
  usageSteps,
} from "../../../domain/usage/usage.ts";
import type { Database } from "../../database.ts";
import type { BackendRow } from "../sql/service.sql.ts";
import type { Statements } from "../sql/statements.ts";

type UsageSql = Pick<
  Statements,
  | "environments"
  | "lastTokenOfDeleted"
  | "usageIn"
  | "usageBetween"
  | "hasUsageSince"
  | "putUsage"
  | "deleteUsageBefore"
>;

interface Minute {
  minute: number;
  counts: UsageCounts;
}

/**
 * Counts what happens in each environment. Counting is done in memory, so that it adds nothing to what a connect
 * writes, and written down with the object's other work. A process that is killed loses what was counted since: of
 * the last 60 s at most. Nothing but plots depends on it.
 */
export class UsageCounters {
  readonly #db: Database;
  readonly #sql: UsageSql;
  /** What is not written down yet, by the environment's name and the minute. */
  readonly #counted = new Map<string, Map<number, UsageCounts>>();
  /** When the first of it was counted, in milliseconds since the epoch. */
  #since: number | null = null;

  constructor(db: Database, sql: UsageSql) {
    this.#db = db;
    this.#sql = sql;
  }

  /** @param now milliseconds since the epoch, as all times here */
  count(environment: string, counts: UsageCounts, now: number): void {
    const minutes = this.#counted.get(environment) ?? new Map<number, UsageCounts>();
    const minute = minuteOf(now);
    minutes.set(minute, mergeUsage(minutes.get(minute) ?? noUsage, counts));
    this.#counted.set(environment, minutes);
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
    this.count(row.environment, countOf(event, startup), step.time);
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

  /** Writes down what was counted, unless all of it is quite new: one row for each environment and minute. */
  flush(now: number): void {
    if (this.#since === null || now - this.#since < usageWriteAfterMs) return;
    this.#db.transaction(() => this.#write(now));
    this.#counted.clear();
    this.#since = null;
  }

  #write(now: number): void {
    const rows = this.#sql
      .environments()
      .flatMap(({ seq, name }) => this.#unwritten(name).map((counted) => ({ seq, ...counted })));
    const hour = Math.floor(now / usageDeleteEveryMs) * usageDeleteEveryMs;
    // The first row of an hour is the mark that lets old ones be deleted once in it, also by an object that was evicted.
    if (rows.some(({ minute }) => minute >= hour) && !this.#sql.hasUsageSince(hour)) {
      this.#sql.deleteUsageBefore(now - usageKeptMs, usageDeletedAtOnce);
    }
    for (const { seq, minute, counts } of rows) {
      const stored = decodeUsage(this.#sql.usageIn(minute, seq) ?? "") ?? noUsage;
      this.#sql.putUsage({ minute, environment: seq, counts: encodeUsage(mergeUsage(stored, counts)) });
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
    const { from, stepMs, count } = steps.value;
    const environments = this.#sql.environments().filter(({ name }) => reaches(allowed, name));
    if (environments.length * count > usagePointsMax) return tooManyPoints(environments.length, count);
    const rows = this.#sql.usageBetween(Math.max(from, now - usageKeptMs), from + count * stepMs);
    const written = Map.groupBy(rows, ({ environment }) => environment);
    return ok(
      environments.map(({ seq, name }) =>
        usageOf(name, [...decoded(written.get(seq) ?? []), ...this.#unwritten(name)], steps.value),
      ),
    );
  }

  #unwritten(environment: string): Minute[] {
    return Array.from(this.#counted.get(environment) ?? [], ([minute, counts]) => ({ minute, counts }));
  }
}

/** Rows that cannot be read are left out: a plot with a gap is better than none. */
function* decoded(rows: readonly { minute: number; counts: string }[]): Iterable<Minute> {
  for (const { minute, counts: text } of rows) {
    const counts = decodeUsage(text);
    if (counts) yield { minute, counts };
  }
}
