import type { AttemptResult } from "../../../domain/deliveries/delivery.ts";
import { recordedResult } from "../../../domain/deliveries/delivery-log.ts";
import {
  attemptsFlushedAfterMs,
  attemptsFlushedWithinMs,
  deliveryAttemptsKept,
} from "../../../domain/limits.ts";
import type { Alarm } from "../../alarm.ts";
import type { ClusterConfig, DeliveryLogRpc, LoggedAttempt } from "../../contract.ts";
import type { FailureLog } from "../../failures/failure-log.ts";
import type { DeliveredWebhook } from "../../webhooks/webhook-sender.ts";
import type { ServiceState } from "../state.ts";

export interface AttemptLogPorts {
  /** Appends to the log of a cluster. Rejects where its object cannot be reached. */
  append(cluster: string, registration: number, attempts: LoggedAttempt[]): Promise<void>;
  failures: FailureLog;
  now(): number;
  /** Has `flush` called at `at` or before, in milliseconds since the epoch. */
  wakeBy(at: number): void;
}

interface Waiting {
  cluster: string;
  registration: number;
  attempt: LoggedAttempt;
}

interface Watcher {
  /** How many attempts are known besides those in this log. */
  known: number;
  recorded(attempt: LoggedAttempt): void;
}

/** An attempt that has ended. Times in milliseconds since the epoch. */
export interface EndedAttempt {
  /** Its number, as far as the sender counts. */
  attempt: number;
  startedAt: number;
  result: AttemptResult;
}

/**
 * The attempts of one service to deliver webhooks, on their way to the logs of their clusters. They wait in memory, so
 * that a spawn writes nothing for them, and are lost with the process: they are a log, and nothing is decided by them.
 */
export class AttemptLog {
  readonly #ports: AttemptLogPorts;
  /** Oldest first. */
  #waiting: Waiting[] = [];
  #firstAt: number | null = null;
  readonly #watchers = new Map<string, Set<Watcher>>();

  constructor(ports: AttemptLogPorts) {
    this.#ports = ports;
  }

  /** Records an attempt that ends now. */
  record(
    cluster: Pick<ClusterConfig, "name" | "registration">,
    webhook: DeliveredWebhook,
    { attempt, startedAt, result }: EndedAttempt,
  ): void {
    const endedAt = this.#ports.now();
    const recorded: LoggedAttempt = {
      id: webhook.id,
      type: webhook.type,
      ...subjectOf(webhook),
      attempt: this.#numberOf(webhook.id, attempt),
      time: startedAt,
      durationMs: endedAt - startedAt,
      ...recordedResult(webhook.type, result),
    };
    this.#keep(
      [{ cluster: cluster.name, registration: cluster.registration ?? 0, attempt: recorded }],
      endedAt,
    );
    for (const watcher of this.#watchers.get(webhook.id) ?? []) watcher.recorded(recorded);
  }

  /** The next attempt at a webhook that is recorded. `stop` must be called in the end. @param known how many others the cluster's log has */
  watch(id: string, known: number): { next: Promise<LoggedAttempt>; stop(): void } {
    const next = Promise.withResolvers<LoggedAttempt>();
    const watcher: Watcher = { known, recorded: next.resolve };
    const watchers = this.#watchers.get(id) ?? new Set();
    this.#watchers.set(id, watchers.add(watcher));
    return {
      next: next.promise,
      stop: () => {
        watchers.delete(watcher);
        if (watchers.size === 0) this.#watchers.delete(id);
      },
    };
  }

  /**
   * Starts to flush, once the oldest attempt has waited for a while: so that logs are written in few rows.
   * @returns when to look again, null where nothing waits
   */
  flushDue(now: number): number | null {
    if (this.#firstAt === null) return null;
    if (now - this.#firstAt < attemptsFlushedAfterMs) return this.#firstAt + attemptsFlushedWithinMs;
    void this.flush();
    return null;
  }

  /** Sends all that waits to the clusters' logs. What a log does not take waits on; it never rejects. */
  async flush(): Promise<void> {
    const flushed = this.#waiting;
    this.#waiting = [];
    this.#firstAt = null;
    const byLog = Map.groupBy(flushed, ({ cluster, registration }) => `${registration} ${cluster}`);
    await Promise.all([...byLog.values()].map((batch) => this.#append(batch)));
  }

  async #append(batch: readonly Waiting[]): Promise<void> {
    const [first] = batch;
    if (!first) return;
    const logged = await this.#ports.failures.attempt(`log attempts at cluster ${first.cluster}`, () =>
      this.#ports.append(
        first.cluster,
        first.registration,
        batch.map(({ attempt }) => attempt),
      ),
    );
    if (logged === null) this.#keep(batch, this.#ports.now());
  }

  #keep(more: readonly Waiting[], now: number): void {
    this.#waiting.push(...more);
    if (this.#waiting.length > deliveryAttemptsKept)
      this.#waiting.splice(0, this.#waiting.length - deliveryAttemptsKept);
    this.#firstAt ??= now;
    this.#ports.wakeBy(this.#firstAt + attemptsFlushedWithinMs);
  }

  /** An attempt's number goes on from all that are known, also where its sender counts anew. */
  #numberOf(id: string, attempt: number): number {
    const watchers = this.#watchers.get(id);
    if (!watchers) return attempt;
    const waiting = this.#waiting.flatMap((one) => (one.attempt.id === id ? [one.attempt.attempt] : []));
    return Math.max(attempt, 1 + Math.max(...waiting, ...[...watchers].map(({ known }) => known)));
  }
}

/** The log of a service's attempts, which the Cluster objects keep. */
export function serviceAttemptLog(
  state: ServiceState,
  alarm: Alarm,
  failures: FailureLog,
  clusterOf: (account: string, cluster: string) => Pick<DeliveryLogRpc, "recordAttempts">,
): AttemptLog {
  return new AttemptLog({
    append: (cluster, registration, attempts) => {
      const { account, name: service } = state.row();
      return clusterOf(account, cluster).recordAttempts({
        account,
        cluster,
        registration,
        service,
        attempts,
      });
    },
    failures,
    now: () => Date.now(),
    wakeBy: (at) => alarm.noLaterThan(at),
  });
}

function subjectOf(
  webhook: DeliveredWebhook,
): Pick<LoggedAttempt, "environment" | "backendId" | "announced"> {
  switch (webhook.type) {
    case "backend.spawn":
      return { environment: webhook.data.environment, backendId: webhook.data.backend_id };
    case "backend.terminate":
      return { backendId: webhook.data.backend_id };
    case "image.pinned":
      return { environment: webhook.data.environment, announced: webhook.data };
    case "cluster.ping":
      return {};
  }
}
