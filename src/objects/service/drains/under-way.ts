import { statusRank } from "../../../domain/backends/status.ts";
import {
  type DrainCancelReason,
  type DrainPlan,
  type DrainScope,
  isMeant,
} from "../../../domain/deploys/drain.ts";
import { Lifetimes } from "../../../domain/deploys/lifetimes.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { Actor } from "../../contract.ts";
import { recordEvent } from "../feed/event-outbox.ts";
import type { LiveBackends } from "../live-backends.ts";
import { RowIndex } from "../row-index.ts";
import type { DrainRow } from "../sql/drains.sql.ts";
import type { BackendRow, EnvironmentRow, KeptBackend } from "../sql/service.sql.ts";
import type { Statements } from "../sql/statements.ts";

export interface DrainsUnderWayPorts {
  backends: Pick<LiveBackends, "live" | "running" | "after">;
  /** What an environment resolves to; undefined where there is none. */
  resolves(environment: string): string | null | undefined;
  service(): string;
  sql(): Pick<Statements, "drainsUnderWay" | "countDrained" | "endDrain" | "queueEvent">;
}

/**
 * The drains that are under way, in memory, and how long sessions live. Whatever ends a backend, or moves an environment, calls it
 * in the same transaction: so a drain is over when the last backend is that it means, and not when somebody looks. While none is
 * under way, that costs nothing.
 */
export class DrainsUnderWay {
  readonly #index: RowIndex<DrainRow>;
  readonly lifetimes = new Lifetimes();
  readonly #ports: DrainsUnderWayPorts;
  readonly #scopes = new WeakMap<DrainRow, DrainScope>();
  /** When each is to be looked at again, in milliseconds since the epoch: what is lost with the process is looked at at once. */
  readonly #looks = new Map<string, number | null>();

  constructor(ports: DrainsUnderWayPorts) {
    this.#ports = ports;
    this.#index = new RowIndex(
      (ids) => ports.sql().drainsUnderWay(ids),
      (a, b) => a.seq - b.seq,
    );
  }

  /** These have been written. */
  changed(ids: readonly string[]): void {
    this.#index.changed(ids);
  }

  /** A transaction begins. */
  begun(): void {
    this.#index.begun();
  }

  /** The transaction is rolled back: what followed from it is to be looked at anew. */
  rolledBack(): void {
    this.#index.rolledBack();
    this.#looks.clear();
  }

  /** The oldest first. */
  all(): readonly DrainRow[] {
    return this.#index.all();
  }

  scopeOf(row: DrainRow): DrainScope {
    const known = this.#scopes.get(row) ?? scopeOf(row);
    this.#scopes.set(row, known);
    return known;
  }

  /** The backends that a drain means and that have not ended, the oldest first. */
  meant(scope: DrainScope): KeptBackend[] {
    const { backends, resolves } = this.#ports;
    const { digest } = scope;
    const some =
      digest === null ? backends.live() : backends.running(digest, Number.MAX_SAFE_INTEGER, all).reverse();
    return some.filter((backend) => isMeant(scope, backend, resolves));
  }

  /** When a drain is to be looked at next, in milliseconds since the epoch; null: what is left of it ends without that. */
  looksAt({ id }: Pick<DrainRow, "id">): number | null {
    const at = this.#looks.get(id);
    return at === undefined ? 0 : at;
  }

  lookAt({ id }: Pick<DrainRow, "id">, at: number | null): void {
    this.#looks.set(id, at);
  }

  /** Whether one is to be looked at now. */
  isDue(now: number): boolean {
    return this.all().some((row) => (this.looksAt(row) ?? Number.POSITIVE_INFINITY) <= now);
  }

  /**
   * A backend has just ended.
   * @param before as it was before its end
   * @param at when it ended, in milliseconds since the epoch
   */
  ended(before: BackendRow, at: number): void {
    if (before.status === "terminated") return;
    if (statusRank(before.status) >= statusRank("ready")) {
      this.lifetimes.ended(before.environment, at - before.created_at);
    }
    for (const row of [...this.all()]) {
      const scope = this.scopeOf(row);
      if (!isMeant(scope, before, this.#ports.resolves)) continue;
      this.#ports.sql().countDrained(row.id);
      if (!this.#hasMeant(scope))
        this.end({ ...row, ended: row.ended + 1 }, null, Math.max(at, row.created_at));
    }
  }

  /** An environment has come to resolve to another digest. */
  moved({ name, digest }: Pick<EnvironmentRow, "name" | "digest">, now: number): void {
    for (const row of [...this.all()]) {
      const scope = this.scopeOf(row);
      if (!(scope.environments?.includes(name) ?? true)) continue;
      const isOver = scope.digest === null ? !this.#hasMeant(scope) : scope.digest === digest;
      if (isOver) this.end(row, { reason: "digest_current", actor: null }, now);
      // It may mean more than before.
      else this.#looks.delete(row.id);
    }
  }

  /** Ends a drain: as drained, unless it is cancelled. Records the event. */
  end(
    row: DrainRow,
    cancelled: { reason: DrainCancelReason; actor: Actor | null } | null,
    now: number,
  ): void {
    const remaining = cancelled === null ? 0 : this.meant(this.scopeOf(row)).length;
    const state = cancelled === null ? "drained" : "cancelled";
    const reason = cancelled?.reason ?? null;
    this.#ports.sql().endDrain({ id: row.id, state, remaining, reason, ended_at: now });
    this.#looks.delete(row.id);
    const details = {
      ...namedBy(row),
      state,
      total: row.ended + remaining,
      ended: row.ended,
      ...(reason === null ? {} : { reason }),
    } as const;
    const subject = subjectOf(this.#ports.service(), row);
    recordEvent(
      { sql: this.#ports.sql() },
      { type: "drain.ended", actor: cancelled?.actor ?? null, ...subject, details },
      now,
    );
  }

  #hasMeant(scope: DrainScope): boolean {
    const { backends, resolves } = this.#ports;
    const isOne = (backend: KeptBackend) => isMeant(scope, backend, resolves);
    const found =
      scope.digest === null ? backends.after(0, 1, isOne) : backends.running(scope.digest, 1, isOne);
    return found.length > 0;
  }
}

const all = () => true;

/** Which backends a drain means, as its row has it. */
function scopeOf(
  row: Pick<DrainRow, "environments" | "digest" | "created_before" | "last_fencing_token" | "keep">,
): DrainScope {
  return {
    environments: row.environments === null ? null : JSON.parse(row.environments),
    digest: row.digest,
    createdBefore: row.created_before,
    lastFencingToken: row.last_fencing_token,
    keep: keptSets(JSON.parse(row.keep)),
  };
}

/** What a drain leaves, as it is requested and stored. */
export interface Keep {
  keys?: string[] | undefined;
  backends?: string[] | undefined;
}

export function keptSets({ keys, backends }: Keep): DrainScope["keep"] {
  return { keys: new Set(keys), backends: new Set(backends) };
}

export function planOf({
  rate_per_minute,
  next_at,
  created_at,
  at_end_of_seconds: seconds,
}: Pick<DrainRow, "rate_per_minute" | "next_at" | "created_at" | "at_end_of_seconds">): DrainPlan {
  return {
    ratePerMinute: rate_per_minute,
    nextAt: next_at,
    endsUsedAt: seconds === null ? null : created_at + seconds * 1000,
  };
}

/** What events say of which drain it is. */
export function namedBy(row: Pick<DrainRow, "id" | "digest" | "before_revision" | "created_before">) {
  return {
    drain_id: row.id,
    ...(row.digest === null ? {} : { digest: row.digest }),
    ...(row.before_revision === null ? {} : { before_revision: row.before_revision }),
    ...(row.created_before === null ? {} : { before: isoTime(row.created_before) }),
  };
}

/** What events are about: the environment where it is one. */
export function subjectOf(service: string, { environments }: Pick<DrainRow, "environments">) {
  const names: string[] = environments === null ? [] : JSON.parse(environments);
  const [environment, ...others] = names;
  return { service, ...(environment === undefined || others.length > 0 ? {} : { environment }) };
}
