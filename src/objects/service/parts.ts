import type { Result } from "../../domain/result.ts";
import { Alarm } from "../alarm.ts";
import type { Env } from "../env.ts";
import { objectFailures } from "../failure-log.ts";
import { Followers } from "../followers.ts";
import { accountStub, backendsStub, clusterStub } from "../stubs.ts";
import { Heartbeats } from "./backends/heartbeats.ts";
import { ShardNews } from "./backends/shard-news.ts";
import { Waiters } from "./connect/waiters.ts";
import { serviceAttemptLog } from "./deliveries/attempt-log.ts";
import { Deliveries } from "./deliveries/deliveries.ts";
import { EventOutbox } from "./feed/event-outbox.ts";
import { Nudges } from "./feed/nudges.ts";
import type { ServiceRow } from "./sql/service.sql.ts";
import { ServiceState } from "./state.ts";
import { doWork, sendDue, type WorkPorts } from "./work.ts";

/** What a Service object is made of, and how its parts reach each other and the objects outside. */
export class ServiceParts {
  readonly followers: Followers;
  readonly state: ServiceState;
  readonly alarm: Alarm;
  readonly outbox: EventOutbox;
  readonly waiters = new Waiters();
  readonly attempts: ReturnType<typeof serviceAttemptLog>;
  readonly deliveries: Deliveries;
  readonly heartbeats: Heartbeats;
  readonly news: ShardNews;
  readonly #workPorts: WorkPorts;

  constructor(ctx: DurableObjectState, env: Env) {
    const clusterOf = (account: string, cluster: string) => clusterStub(env, account, cluster);
    const failures = objectFailures(ctx, "Service");
    this.followers = new Followers(ctx);
    const nudges = new Nudges(this.followers);
    this.state = new ServiceState(ctx.storage, {
      visibleChanged: (parts) => nudges.changed(parts),
      eventWritten: () => this.outbox.changed(),
    });
    this.alarm = new Alarm(ctx);
    this.outbox = new EventOutbox(this.state, this.alarm, failures, (events) =>
      accountStub(env, this.state.row().account).recordEvents(events),
    );
    this.attempts = serviceAttemptLog(this.state, this.alarm, failures, clusterOf);
    this.deliveries = new Deliveries(this.state, {
      send: (cluster, webhook, now, attempt) => this.attempts.send(cluster, webhook, now, attempt),
      now: () => Date.now(),
      random: () => Math.random(),
      leftWork: () => this.work(),
    });
    this.heartbeats = new Heartbeats(this.state, this.deliveries, clusterOf);
    this.news = new ShardNews(this.state, failures, (record) => {
      const { account, service, id } = record.info;
      return backendsStub(env, account, service, id).record(record);
    });
    this.#workPorts = {
      state: this.state,
      alarm: this.alarm,
      deliveries: this.deliveries,
      news: this.news,
      attempts: this.attempts,
      ended: (backendId) => this.waiters.ended(backendId),
    };
  }

  /** A change of pins or images, which may leave something to send. */
  change<T>(action: (service: ServiceRow) => Result<T>): Result<T> {
    const result = this.state.withService(action);
    if (result.ok) sendDue(this.#workPorts, Date.now());
    return result;
  }

  /** A change of backends, which may leave something to send or to tell. */
  changeBackends<T>(action: () => Result<T>): Result<T> {
    const result = this.state.withService(action);
    if (result.ok) this.work();
    return result;
  }

  work(): void {
    doWork(this.#workPorts, Date.now());
  }
}
