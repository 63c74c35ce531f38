import type { AttemptResult } from "../../../domain/deliveries/delivery.ts";
import { recordedResult } from "../../../domain/deliveries/delivery-log.ts";
import { attemptsToldAfterMs, attemptsToldWithinMs, deliveryAttemptsKept } from "../../../domain/limits.ts";
import type { Alarm } from "../../alarm.ts";
import type { ClusterConfig, DeliveryLogRpc, LoggedAttempt } from "../../contract.ts";
import type { FailureLog } from "../../failure-log.ts";
import { type OutgoingWebhook, sendWebhook } from "../../webhook-sender.ts";
import type { ServiceState } from "../state.ts";

export interface AttemptLogPorts {
  send(cluster: ClusterConfig, webhook: OutgoingWebhook, now: number): Promise<AttemptResult>;
  /** Tells the Cluster object. Rejects where that cannot be reached. */
  tell(cluster: string, registration: number, attempts: LoggedAttempt[]): Promise<void>;
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
  noted(attempt: LoggedAttempt): void;
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

  /** Makes one attempt and notes what it met. @param attempt its number, as far as the sender counts */
  async send(
    cluster: ClusterConfig,
    webhook: OutgoingWebhook,
    now: number,
    attempt: number,
  ): Promise<AttemptResult> {
    const result = await this.#ports.send(cluster, webhook, now);
    const endedAt = this.#ports.now();
    const noted: LoggedAttempt = {
      id: webhook.id,
      type: webhook.type,
      ...subjectOf(webhook),
      attempt: this.#numberOf(webhook.id, attempt),
      time: now,
      durationMs: endedAt - now,
      ...recordedResult(webhook.type, result),
    };
    this.#keep([{ cluster: cluster.name, registration: cluster.registration ?? 0, attempt: noted }], endedAt);
    for (const watcher of this.#watchers.get(webhook.id) ?? []) watcher.noted(noted);
    return result;
  }

  /** The next attempt at a webhook that ends. To be stopped, whatever comes. @param known how many others the cluster's log has */
  watch(id: string, known: number): { next: Promise<LoggedAttempt>; stop(): void } {
    const next = Promise.withResolvers<LoggedAttempt>();
    const watcher: Watcher = { known, noted: next.resolve };
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

  /** Starts telling what waits, once it has waited for a while: so that logs are written in few rows. */
  flushDue(now: number): void {
    if (this.#firstAt === null) return;
    if (now - this.#firstAt >= attemptsToldAfterMs) void this.flush();
    else this.#ports.wakeBy(this.#firstAt + attemptsToldWithinMs);
  }

  /** Tells the clusters' logs all that waits. What a log does not take waits on; it never rejects. */
  async flush(): Promise<void> {
    const told = this.#waiting;
    this.#waiting = [];
    this.#firstAt = null;
    const byLog = Map.groupBy(told, ({ cluster, registration }) => `${registration} ${cluster}`);
    await Promise.all([...byLog.values()].map((batch) => this.#tell(batch)));
  }

  async #tell(batch: readonly Waiting[]): Promise<void> {
    const [first] = batch;
    if (!first) return;
    const logged = await this.#ports.failures.attempt(`log attempts at cluster ${first.cluster}`, () =>
      this.#ports.tell(
        first.cluster,
        first.registration,
        batch.map(({ attempt }) => attempt),
      ),
    );
    if (logged === null) this.#keep(batch, this.#ports.now());
  }

  #keep(more: readonly Waiting[], now: number): void {
    this.#waiting = [...this.#waiting, ...more].slice(-deliveryAttemptsKept);
    this.#firstAt ??= now;
    this.#ports.wakeBy(this.#firstAt + attemptsToldWithinMs);
  }

  /** An attempt's number goes on from all that are known, also where its sender counts anew. */
  #numberOf(id: string, attempt: number): number {
    const watchers = this.#watchers.get(id);
    if (!watchers) return attempt;
    const noted = this.#waiting.flatMap((one) => (one.attempt.id === id ? [one.attempt.attempt] : []));
    return Math.max(attempt, 1 + Math.max(...noted, ...[...watchers].map(({ known }) => known)));
  }
}

/** The log of a service's attempts, told to the Cluster objects. */
export function serviceAttemptLog(
  state: ServiceState,
  alarm: Alarm,
  failures: FailureLog,
  clusterOf: (account: string, cluster: string) => Pick<DeliveryLogRpc, "recordAttempts">,
): AttemptLog {
  return new AttemptLog({
    send: sendWebhook,
    tell: (cluster, registration, attempts) => {
      const { account, name: service } = state.row();
      return clusterOf(account, cluster).recordAttempts({ registration, service, attempts });
    },
    failures,
    now: () => Date.now(),
    wakeBy: (at) => alarm.noLaterThan(at),
  });
}

function subjectOf(webhook: OutgoingWebhook): Pick<LoggedAttempt, "environment" | "backendId" | "announced"> {
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
