import { type ArmCounts, addCounts, noCounts } from "../../../domain/deploys/arm-counts.ts";
import {
  type SessionBefore,
  type SessionOutcome,
  type SessionStep,
  sessionOutcome,
} from "../../../domain/deploys/session-outcome.ts";
import { armCountsWithinMs, revisionsKept } from "../../../domain/limits.ts";
import type { EnvironmentIndex } from "../environment-index.ts";
import type { Arm, ArmRow } from "../sql/deploys.sql.ts";
import type { BackendRow, EnvironmentRow } from "../sql/service.sql.ts";
import type { Statements } from "../sql/statements.ts";

type ArmsSql = Pick<Statements, "arm" | "armsOf" | "putArm">;

/** The arm that a session was born into, as its spec keeps it; a session whose spawn named its image is of none. */
export interface Birth {
  /** The revision since which the environment resolves to its digest. */
  stay: number;
  arm: Arm;
}

interface Counting extends Birth {
  environment: string;
  digest: string;
  counts: ArmCounts;
}

/**
 * Counts what becomes of the sessions of each arm of an environment, by its present stay on a digest. What became ready is counted in
 * memory and written within `armCountsWithinMs` with the object's other work; a failure is written at once, in the transaction of
 * the step itself. So a process that is killed loses successes only, which makes what is judged by them stricter.
 */
export class ArmCounters {
  readonly #sql: ArmsSql;
  readonly #environments: Pick<EnvironmentIndex, "get">;
  /** What is not written yet, by environment, digest, stay and arm. */
  readonly #unwritten = new Map<string, Counting>();
  /** When the first session of it became ready, in milliseconds since the epoch; null where there is none. */
  #since: number | null = null;

  constructor(sql: ArmsSql, environments: Pick<EnvironmentIndex, "get">) {
    this.#sql = sql;
    this.#environments = environments;
  }

  /** A session was decided. */
  started(environment: string, digest: string, birth: Birth): void {
    this.#add({ environment, digest, ...birth, counts: { ...noCounts, started: 1 } });
  }

  /**
   * A session takes a step of its life: a failure is written in the transaction that is running.
   * @param row as it was before
   * @param birthOf asked only where the step says something of the image
   */
  step(
    row: Pick<BackendRow, "environment" | "digest"> & SessionBefore,
    step: SessionStep,
    birthOf: () => Birth | null,
  ): void {
    const outcome = sessionOutcome(row, step);
    const birth = outcome && birthOf();
    if (!outcome || !birth) return;
    const of = { environment: row.environment, digest: row.digest, ...birth };
    this.#add({ ...of, counts: countOf(outcome) });
    if (outcome.outcome === "ready") this.#since ??= step.time;
    else this.#write(keyOf(of));
  }

  /** What became of an arm's sessions, with what is not written yet. */
  countsOf(environment: Pick<EnvironmentRow, "seq" | "name">, digest: string, birth: Birth): ArmCounts {
    const written = this.#sql.arm({ environment: environment.seq, digest, ...birth });
    const unwritten = this.#unwritten.get(keyOf({ environment: environment.name, digest, ...birth }));
    return addCounts(parsed(written), unwritten?.counts ?? noCounts);
  }

  /** How many sessions became ready on a digest in an environment, over its newest stays. */
  readyOn(environment: Pick<EnvironmentRow, "seq" | "name">, digest: string): number {
    const written = this.#sql.armsOf(environment.seq, digest).map(parsed);
    const unwritten = [...this.#unwritten.values()].filter(
      (counting) => counting.environment === environment.name && counting.digest === digest,
    );
    return [...written, ...unwritten.map(({ counts }) => counts)].reduce((sum, { ready }) => sum + ready, 0);
  }

  /** Drops what was counted for an environment that is deleted, or for all. */
  forget(environment?: string): void {
    for (const [key, counting] of this.#unwritten) {
      if (environment === undefined || counting.environment === environment) this.#unwritten.delete(key);
    }
    if (this.#unwritten.size === 0) this.#since = null;
  }

  /** When the object must wake at the latest to write down what became ready; null while there is nothing. */
  writeBy(): number | null {
    return this.#since === null ? null : this.#since + armCountsWithinMs;
  }

  /** Writes down all that was counted, if some of it became ready. To be called in a transaction. */
  flush(): void {
    if (this.#since === null) return;
    for (const key of [...this.#unwritten.keys()]) this.#write(key);
    this.#since = null;
  }

  #add(counting: Counting): void {
    const key = keyOf(counting);
    const before = this.#unwritten.get(key);
    this.#unwritten.set(
      key,
      before ? { ...before, counts: addCounts(before.counts, counting.counts) } : counting,
    );
  }

  #write(key: string): void {
    const counting = this.#unwritten.get(key);
    this.#unwritten.delete(key);
    const row = counting && this.#environments.get(counting.environment);
    if (!counting || !row) return;
    const { digest, stay, arm, counts } = counting;
    const of = { environment: row.seq, digest, stay, arm };
    const all = addCounts(parsed(this.#sql.arm(of)), counts);
    this.#sql.putArm({ ...of, counts: JSON.stringify(all) }, revisionsKept);
  }
}

function countOf(outcome: SessionOutcome): ArmCounts {
  switch (outcome.outcome) {
    case "ready":
      return { ...noCounts, ready: 1 };
    case "crashed":
      return { ...noCounts, crashed: 1 };
    case "failed":
      return { ...noCounts, failed: { [outcome.kind]: 1 } };
  }
}

function keyOf({ environment, digest, stay, arm }: Omit<Counting, "counts">): string {
  return `${environment} ${digest} ${stay} ${arm}`;
}

function parsed(row: Pick<ArmRow, "counts"> | undefined): ArmCounts {
  return row === undefined ? noCounts : JSON.parse(row.counts);
}
