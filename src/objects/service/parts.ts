import type { AttemptResult } from "../../domain/deliveries/delivery.ts";
import { shardRetryMs, shardsNotifiedAtOnce } from "../../domain/limits.ts";
import type { Result } from "../../domain/result.ts";
import { Alarm } from "../alarm.ts";
import type { Env } from "../env.ts";
import { Expiries } from "../expiries.ts";
import { objectFailures } from "../failures/failure-log.ts";
import { Followers } from "../followers.ts";
import { idempotencyExpiry } from "../idempotency.sql.ts";
import { accountStub, backendsStub, clusterStub } from "../stubs.ts";
import { SendQueue } from "../webhooks/send-queue.ts";
import { sendWebhook } from "../webhooks/webhook-sender.ts";
import { Heartbeats } from "./backends/heartbeats.ts";
import { ShardNotifier } from "./backends/shard-notifier.ts";
import { Waiters } from "./connect/waiters.ts";
import { type AttemptLog, serviceAttemptLog } from "./deliveries/attempt-log.ts";
import { Deliveries } from "./deliveries/deliveries.ts";
import type { DeliveryPorts } from "./deliveries/delivery-ports.ts";
import { Touches } from "./deliveries/touches.ts";
import { EventOutbox } from "./feed/event-outbox.ts";
import { Nudges } from "./feed/nudges.ts";
import { placeOf } from "./place.ts";
import { type Changer, HoldingLedger } from "./quotas/holding-ledger.ts";
import { releasesExpiry } from "./sql/backends.sql.ts";
import { drainsExpiry } from "./sql/drains.sql.ts";
import type { ServiceRow } from "./sql/service.sql.ts";
import { usageExpiry } from "./sql/usage.sql.ts";
import { ServiceState } from "./state.ts";
import { doWork, notifyShard, startDeliveries, type WorkPorts } from "./work.ts";

/** What a Service object is made of, and how its parts reach each other and the objects outside. */
export class ServiceParts {
  readonly followers: Followers;
  readonly state: ServiceState;
  readonly alarm: Alarm;
  readonly outbox: EventOutbox;
  readonly holdings: HoldingLedger;
  readonly waiters = new Waiters();
  readonly attempts: AttemptLog;
  readonly deliveries: Deliveries;
  readonly touches: Touches;
  readonly heartbeats: Heartbeats;
  readonly shards: ShardNotifier;
  readonly #expiries: Expiries;
  readonly #workPorts: WorkPorts;
  readonly #ended = new Set<string>();

  constructor(ctx: DurableObjectState, env: Env) {
    const clusterOf = (account: string, cluster: string) => clusterStub(env, account, cluster);
    const failures = objectFailures(ctx, "Service");
    this.followers = new Followers(ctx);
    const nudges = new Nudges(this.followers);
    this.state = new ServiceState(ctx.storage, {
      visibleChanged: (parts) => {
        nudges.changed(parts);
        if (parts.includes("environments")) this.holdings.changed();
      },
      eventWritten: () => this.outbox.changed(),
      backendEnded: (backendId) => this.#noteEnd(backendId),
    });
    this.alarm = new Alarm(ctx);
    this.outbox = new EventOutbox(this.state, this.alarm, failures, (events) =>
      accountStub(env, this.state.row().account).recordEvents(events),
    );
    this.holdings = new HoldingLedger({
      state: this.state,
      alarm: this.alarm,
      failures,
      claim: (holdings, isForced) => {
        const { account, name } = this.state.row();
        return accountStub(env, account).claimHoldings(name, holdings, isForced);
      },
    });
    this.attempts = serviceAttemptLog(this.state, this.alarm, failures, clusterOf);
    const turns = new SendQueue(
      () => Date.now(),
      () => this.state.config().clusters.length > 1,
    );
    this.deliveries = new Deliveries(this.state, {
      turns,
      attempt: recordedAttempts(this.attempts),
      now: () => Date.now(),
      random: () => Math.random(),
      leftWork: () => this.work(),
      wakeBy: (at) => this.alarm.noLaterThan(at),
    });
    this.touches = new Touches(this.state, {
      turns,
      send: (cluster, webhook, turn) => sendWebhook(cluster, webhook, turn, Date.now()),
      now: () => Date.now(),
    });
    this.heartbeats = new Heartbeats(this.state, clusterOf);
    this.shards = new ShardNotifier(this.state, failures, (record) => {
      return backendsStub(env, placeOf(this.state.row()), record.info.id).record(record);
    });
    const { db } = this.state;
    this.#expiries = new Expiries(db, this.alarm, [
      idempotencyExpiry(db),
      usageExpiry(db),
      releasesExpiry(db),
      drainsExpiry(db),
    ]);
    this.#workPorts = {
      state: this.state,
      alarm: this.alarm,
      deliveries: this.deliveries,
      shards: this.shards,
      attempts: this.attempts,
    };
  }

  /** A change of pins or images, which may hold more than before, and leave something to send. */
  async change<T>(action: (service: ServiceRow) => Result<T>, by: Changer = "request"): Promise<Result<T>> {
    const result = await this.holdings.change(() => this.state.reading(action), by);
    const now = Date.now();
    // A drain may mean more than before what was moved.
    if (result.ok && this.state.drains.isDue(now)) this.work();
    else if (result.ok) startDeliveries(this.#workPorts, now);
    return result;
  }

  /** A change of backends, which may leave webhooks to send and shards to notify. */
  changeBackends<T>(action: () => Result<T>): Result<T> {
    const result = this.state.withService(action);
    if (result.ok) this.work();
    return result;
  }

  /** After the transaction: those that end together are many where a cluster is lost. */
  #noteEnd(backendId: string): void {
    if (this.#ended.size === 0) queueMicrotask(() => this.#notifyOfEnds());
    this.#ended.add(backendId);
  }

  #notifyOfEnds(): void {
    const ended = [...this.#ended];
    this.#ended.clear();
    for (const backendId of ended) {
      this.waiters.ended(backendId);
      if (this.shards.underWay < shardsNotifiedAtOnce) void notifyShard(this, backendId);
      else this.alarm.noLaterThan(Date.now() + shardRetryMs);
    }
  }

  /** The alarm's work. */
  async wake(): Promise<void> {
    if (!this.state.db.ready) return;
    this.work();
    // After what may leave an alarm that is sooner. A connect does not look: the alarm that follows it does.
    this.#expiries.sweep(Date.now());
    await Promise.all([this.outbox.send(), this.holdings.settle()]);
  }

  work(): void {
    doWork(this.#workPorts, Date.now());
  }
}

/** Attempts to deliver webhooks, each recorded once it has ended. */
function recordedAttempts(log: AttemptLog): DeliveryPorts["attempt"] {
  return async (cluster, webhook, attempt, turn) => {
    const startedAt = Date.now();
    const result: AttemptResult = turn
      ? await sendWebhook(cluster, webhook, turn, startedAt)
      : { outcome: "unsent" };
    log.record(cluster, webhook, { attempt, startedAt, result });
    return result;
  };
}
