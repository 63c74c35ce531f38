import { DurableObject } from "cloudflare:workers";
import type { StatusEntry } from "../../domain/backend-status.ts";
import { chooseEnvironment } from "../../domain/environments.ts";
import type { ClusterLists, ReportedBackend } from "../../domain/lease.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { BackendQuery } from "../../protocol/v3/backends.ts";
import type { RecordImageBody } from "../../protocol/v3/images.ts";
import type { ListQuery } from "../../protocol/v3/list.ts";
import type { CreateEnvironmentBody, PatchEnvironmentBody } from "../../protocol/v3/services.ts";
import { Alarm } from "../alarm.ts";
import type {
  AccountConfig,
  Actor,
  BackendWithStatus,
  ConnectCall,
  Connection,
  Idempotency,
  ServiceDescription,
  ServiceRpc,
  UsageQuery,
} from "../contract.ts";
import type { RedeliveryWish } from "../deliveries-contract.ts";
import type { Env } from "../env.ts";
import { handedOn } from "../rpc.ts";
import { backendsStub, clusterStub } from "../stubs.ts";
import { serviceAttemptLog } from "./attempt-log.ts";
import { endedBackends, liveBackends, pageOfBackends } from "./backend-list.ts";
import { resolveConnect } from "./connect.ts";
import { connectBackend } from "./connecting.ts";
import { Deliveries } from "./deliveries.ts";
import { describeService, serviceOverview } from "./description.ts";
import * as environments from "./environments.ts";
import { Heartbeats } from "./heartbeats.ts";
import * as images from "./images.ts";
import { applyReportedStatus } from "./lifecycle.ts";
import { redeliver } from "./redelivery.ts";
import type { ServiceRow } from "./service.sql.ts";
import type { NewService } from "./setup.ts";
import * as setup from "./setup.ts";
import { backendRecord, ShardNews } from "./shard-news.ts";
import { ServiceState } from "./state.ts";
import * as terminations from "./terminations.ts";
import { Waiters } from "./waiters.ts";
import { announcingPins } from "./webhooks.ts";
import { doWork, sendDue, type WorkPorts } from "./work.ts";

/**
 * One service: the single writer of its pins and of every spawn decision. Each method loads, lets the domain decide
 * and commits in one synchronous transaction; webhooks and other objects are spoken to after it.
 */
export class Service extends DurableObject<Env> implements ServiceRpc {
  readonly #state = new ServiceState(this.ctx.storage);
  readonly #alarm = new Alarm(this.ctx);
  readonly #waiters = new Waiters();
  readonly #attempts = serviceAttemptLog(this.#state, this.#alarm, (account, cluster) =>
    clusterStub(this.env, account, cluster),
  );
  readonly #deliveries = new Deliveries(this.#state, {
    send: (cluster, webhook, now, attempt) => this.#attempts.send(cluster, webhook, now, attempt),
    now: () => Date.now(),
    random: () => Math.random(),
    leftWork: () => this.#work(),
  });
  readonly #heartbeats = new Heartbeats(this.#state, this.#deliveries, (account, cluster) =>
    clusterStub(this.env, account, cluster),
  );
  readonly #news = new ShardNews(this.#state, (record) => {
    const { account, service, id } = record.info;
    return backendsStub(this.env, account, service, id).record(record);
  });
  readonly #workPorts: WorkPorts = {
    state: this.#state,
    alarm: this.#alarm,
    deliveries: this.#deliveries,
    news: this.#news,
    attempts: this.#attempts,
    ended: (backendId) => this.#waiters.ended(backendId),
  };

  async initialise(service: NewService, actor: Actor): Promise<Result<ServiceDescription>> {
    if (!this.#state.db.ready) this.#state.db.migrate();
    return this.#state.db.transaction(() => setup.initialise(this.#state, service, actor, Date.now()));
  }

  async applyAccountConfig(config: AccountConfig): Promise<Result<null>> {
    if (!this.#state.db.ready) return ok(null);
    return this.#state.db.transaction(() => setup.applyAccountConfig(this.#state, config));
  }

  async describe(): Promise<Result<ServiceDescription>> {
    return this.#state.withService((service) => ok(describeService(this.#state, service)));
  }

  async overview(allowedEnvironments?: readonly string[]) {
    return this.#state.withService((service) =>
      ok(serviceOverview(this.#state, service, allowedEnvironments)),
    );
  }

  async patch(patch: { default_environment: string | null }): Promise<Result<ServiceDescription>> {
    return this.#state.withService(() => setup.setDefaultEnvironment(this.#state, patch.default_environment));
  }

  async remove(): Promise<Result<null>> {
    return this.#changeBackends(() => setup.removeService(this.#state, Date.now()));
  }

  connectBackend(call: ConnectCall): Promise<Result<Connection>> {
    return connectBackend(
      { state: this.#state, alarm: this.#alarm, deliveries: this.#deliveries, waiters: this.#waiters },
      call,
    );
  }

  async resolve(
    environment: string,
    query: { tag?: string; key?: string },
    allowedEnvironments?: readonly string[],
  ) {
    return this.#state.withService((service) =>
      resolveConnect(this.#state, service, environment, query, allowedEnvironments),
    );
  }

  async createEnvironment(
    body: CreateEnvironmentBody,
    actor: Actor,
    registryHost: string,
    idempotency?: Idempotency,
  ) {
    return this.#change((service) => {
      const now = Date.now();
      return this.#state.idempotency.once(idempotency, now, () =>
        announcingPins(this.#state, service, registryHost, now, () =>
          environments.viewOf(this.#state, environments.createEnvironment(this.#state, body, actor, now)),
        ),
      );
    });
  }

  async listEnvironments(query: ListQuery, allowedEnvironments?: readonly string[]) {
    return this.#state.withService(() =>
      environments.listEnvironments(this.#state, query, allowedEnvironments),
    );
  }

  async getEnvironment(name: string) {
    return this.#state.withService(() =>
      environments.viewOf(this.#state, environments.findEnvironment(this.#state, name)),
    );
  }

  async patchEnvironment(name: string, patch: PatchEnvironmentBody, ifMatch?: number) {
    return this.#state.withService(() =>
      environments.viewOf(this.#state, environments.patchEnvironment(this.#state, name, patch, ifMatch)),
    );
  }

  async deleteEnvironment(name: string, ifMatch?: number): Promise<Result<null>> {
    return this.#state.withService(() => environments.deleteEnvironment(this.#state, name, ifMatch));
  }

  async pin(
    environment: string | undefined,
    wish: { image: string; note?: string },
    actor: Actor,
    registryHost: string,
    ifMatch?: number,
  ) {
    return this.#change((service) => {
      const names = this.#state.sql.environments().map(({ name }) => name);
      const chosen = chooseEnvironment(environment, names, service.default_environment);
      if (!chosen.ok) return chosen;
      if (actor.environments && !actor.environments.includes(chosen.value)) {
        return fail("forbidden", `this token may not change environment \`${chosen.value}\``);
      }
      const now = Date.now();
      return announcingPins(this.#state, service, registryHost, now, () =>
        environments.pin(this.#state, chosen.value, wish, actor, ifMatch, now),
      );
    });
  }

  async history(environment: string, query: ListQuery) {
    return this.#state.withService(() => environments.history(this.#state, environment, query));
  }

  async recordImage(body: RecordImageBody, registryHost: string, idempotency?: Idempotency) {
    return this.#change((service) => {
      const now = Date.now();
      return this.#state.idempotency.once(idempotency, now, () =>
        announcingPins(this.#state, service, registryHost, now, () =>
          images.recordImage(this.#state, service, body, registryHost, now),
        ),
      );
    });
  }

  async listImages(query: ListQuery, registryHost: string) {
    return this.#state.withService((service) => images.listImages(this.#state, service, query, registryHost));
  }

  async getImage(digest: string, registryHost: string) {
    return this.#state.withService((service) => images.getImage(this.#state, service, digest, registryHost));
  }

  async deleteImage(digest: string, kept?: "own_registry"): Promise<Result<null>> {
    return this.#state.withService(() => images.deleteImage(this.#state, digest, kept));
  }

  async forgetTag(tag: string, digest: string): Promise<Result<null>> {
    return this.#state.withService(() => images.forgetTag(this.#state, tag, digest));
  }

  async recentImages(registryHost: string) {
    return this.#state.withService((service) => ok(images.recentImages(this.#state, service, registryHost)));
  }

  async listBackends(query: BackendQuery, allowedEnvironments?: readonly string[]) {
    const wantsEnded = query.status === "terminated";
    const live = wantsEnded ? this.#state.withService(() => ok([])) : await this.liveBackends();
    if (!live.ok) return live;
    return pageOfBackends(query, allowedEnvironments, async (before) =>
      wantsEnded
        ? endedBackends(this.env, this.#state.row(), query, before, allowedEnvironments)
        : live.value,
    );
  }

  async liveBackends(): Promise<Result<BackendWithStatus[]>> {
    const found = this.#state.withService(ok);
    if (!found.ok) return found;
    const unheard = await this.#heartbeats.unheard(found.value, Date.now());
    return this.#state.withService((service) => ok(liveBackends(this.#state, service, unheard)));
  }

  async usage(query: UsageQuery) {
    return this.#state.withService(() => this.#state.usage.usage(query, Date.now()));
  }

  async terminate(backendId: string, hard: boolean, actor: Actor): Promise<Result<null>> {
    const begun = this.#state.db.transaction(() =>
      terminations.terminate(this.#state, backendId, hard, actor, Date.now()),
    );
    if (begun.ok) {
      this.#work();
      await this.#news.tell(backendId);
      return begun;
    }
    if (begun.error.code !== "backend_not_running" || !this.#state.db.ready) return begun;
    const { account, name } = this.#state.row();
    const known = await backendsStub(this.env, account, name, backendId).describe(account, name, backendId);
    return known.ok ? begun : handedOn<null>(known);
  }

  async terminateAll(wish: { before: number | null; hard: boolean; dryRun: boolean }, actor: Actor) {
    return this.#changeBackends(() => terminations.terminateAll(this.#state, wish, actor, Date.now()));
  }

  async redeliver(wish: RedeliveryWish) {
    return redeliver({ ...this.#workPorts, work: () => this.#work() }, wish, Date.now());
  }

  async learn(backendId: string, heard: boolean) {
    const row = this.#state.db.ready ? this.#state.sql.backend(backendId) : undefined;
    if (!row) return fail("backend_not_found", `backend \`${backendId}\` not found`);
    if (heard) this.#deliveries.acknowledge(row);
    return ok(backendRecord(this.#state, row));
  }

  async statusReached(
    backendId: string,
    fencingToken: number,
    entry: StatusEntry,
    baseUrl: string | null,
  ): Promise<Result<null>> {
    const { db, sql } = this.#state;
    const ended = db.transaction(() => {
      const row = db.ready ? sql.backend(backendId) : undefined;
      if (!row || row.fencing_token !== fencingToken) return false;
      return applyReportedStatus(this.#state, row, entry, baseUrl);
    });
    if (ended) {
      this.#news.forget(backendId);
      this.#waiters.ended(backendId);
    } else this.#alarm.noLaterThan(db.ready ? (sql.backend(backendId)?.deadline_at ?? null) : null);
    this.#alarm.noLaterThan(this.#state.usage.writeBy());
    return ok(null);
  }

  async reconcile(cluster: string, reported: ReportedBackend[], lists: ClusterLists) {
    this.#alarm.renewDropped();
    const { lost, overdue, ...answer } = this.#heartbeats.reconcile(cluster, reported, lists, Date.now());
    if (lost.length > 0 || overdue) this.#work();
    return ok(answer);
  }

  async clusterLost(cluster: string, registration: number): Promise<Result<null>> {
    if (this.#heartbeats.clusterLost(cluster, registration, Date.now())) this.#work();
    return ok(null);
  }

  override async alarm(): Promise<void> {
    this.#alarm.fired();
    this.#work();
  }

  /** A change of pins or images, which may leave something to send. */
  #change<T>(action: (service: ServiceRow) => Result<T>): Result<T> {
    const result = this.#state.withService(action);
    if (result.ok) sendDue(this.#workPorts, Date.now());
    return result;
  }

  /** A change of backends, which may leave something to send or to tell. */
  #changeBackends<T>(action: () => Result<T>): Result<T> {
    const result = this.#state.withService(action);
    if (result.ok) this.#work();
    return result;
  }

  #work(): void {
    doWork(this.#workPorts, Date.now());
  }
}
