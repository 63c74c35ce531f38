import type { ClusterLists, ReportedBackend } from "../../domain/backends/lease.ts";
import type { StatusEntry } from "../../domain/backends/status.ts";
import { ok, type Result } from "../../domain/result.ts";
import type { BackendQuery } from "../../protocol/v3/backends.ts";
import type { RecordImageBody } from "../../protocol/v3/images.ts";
import type { ListQuery } from "../../protocol/v3/list.ts";
import type { CreateEnvironmentBody, PatchEnvironmentBody } from "../../protocol/v3/services.ts";
import type {
  AccountConfig,
  Actor,
  BackendWithStatus,
  ConnectCall,
  Connection,
  Idempotency,
  RedeliveryParams,
  ServiceDescription,
  ServiceRpc,
  TerminateAllWish,
  UsageQuery,
} from "../contract.ts";
import { FollowedObject } from "../followers.ts";
import { handedOn } from "../rpc.ts";
import { backendsStub } from "../stubs.ts";
import { endedBackends, liveBackends, pageOfBackends } from "./backends/backend-list.ts";
import { applyReport } from "./backends/lifecycle.ts";
import { knownBackend } from "./backends/shard-notifier.ts";
import * as terminations from "./backends/terminations.ts";
import { connectBackend } from "./connect/connect.ts";
import { resolveConnect } from "./connect/decide.ts";
import { redeliver } from "./deliveries/redelivery.ts";
import { announcingPins } from "./deliveries/webhooks.ts";
import { describeService, serviceOverview } from "./description.ts";
import { nudgesFollowed } from "./feed/nudges.ts";
import { ServiceParts } from "./parts.ts";
import { chooseToChange } from "./pins/choose-to-change.ts";
import * as environments from "./pins/environments.ts";
import * as images from "./pins/images.ts";
import type { NewService } from "./setup.ts";
import * as setup from "./setup.ts";

/**
 * One service: the single writer of its pins and of every spawn decision. Each method loads, lets the domain decide
 * and commits in one synchronous transaction; webhooks and other objects are spoken to after it.
 */
export class Service extends FollowedObject implements ServiceRpc {
  readonly #parts = new ServiceParts(this.ctx, this.env);
  readonly #state = this.#parts.state;
  readonly #alarm = this.#parts.alarm;

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

  async patch(
    patch: { default_environment: string | null },
    actor: Actor,
  ): Promise<Result<ServiceDescription>> {
    return this.#state.withService(() =>
      setup.setDefaultEnvironment(this.#state, patch.default_environment, actor, Date.now()),
    );
  }

  async remove(): Promise<Result<null>> {
    return this.#parts.changeBackends(() => setup.removeService(this.#state, Date.now()));
  }

  connectBackend(call: ConnectCall): Promise<Result<Connection>> {
    return connectBackend(
      {
        state: this.#state,
        alarm: this.#alarm,
        deliveries: this.#parts.deliveries,
        waiters: this.#parts.waiters,
      },
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
    return this.#parts.change((service) => {
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

  async patchEnvironment(name: string, patch: PatchEnvironmentBody, actor: Actor, ifMatch?: number) {
    return this.#state.withService(() =>
      environments.patchEnvironment(this.#state, name, patch, actor, ifMatch, Date.now()),
    );
  }

  async deleteEnvironment(name: string, actor: Actor, ifMatch?: number): Promise<Result<null>> {
    return this.#state.withService(() =>
      environments.deleteEnvironment(this.#state, name, actor, ifMatch, Date.now()),
    );
  }

  async pin(
    environment: string | undefined,
    wish: { image: string; note?: string },
    actor: Actor,
    registryHost: string,
    ifMatch?: number,
  ) {
    return this.#parts.change((service) => {
      const chosen = chooseToChange(this.#state, service, environment, actor);
      if (!chosen.ok) return chosen;
      const now = Date.now();
      return announcingPins(this.#state, service, registryHost, now, () =>
        environments.pin(this.#state, chosen.value, wish, actor, ifMatch, now),
      );
    });
  }

  async history(environment: string, query: ListQuery) {
    return this.#state.withService(() => environments.history(this.#state, environment, query));
  }

  async recordImage(
    body: RecordImageBody,
    registryHost: string,
    actor: Actor | null,
    idempotency?: Idempotency,
  ) {
    return this.#parts.change((service) => {
      const now = Date.now();
      return this.#state.idempotency.once(idempotency, now, () =>
        announcingPins(this.#state, service, registryHost, now, () =>
          images.recordImage(this.#state, service, body, registryHost, actor, now),
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

  async deleteImage(digest: string, actor: Actor | null, kept?: "own_registry"): Promise<Result<null>> {
    return this.#state.withService(() => images.deleteImage(this.#state, digest, kept, actor, Date.now()));
  }

  async forgetTag(tag: string, digest: string): Promise<Result<null>> {
    return this.#state.withService(() => images.forgetTag(this.#state, tag, digest, Date.now()));
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
    const unlisted = await this.#parts.heartbeats.unlisted(found.value, Date.now());
    return this.#state.withService((service) => ok(liveBackends(this.#state, service, unlisted)));
  }

  async usage(query: UsageQuery) {
    return this.#state.withService(() => this.#state.usage.usage(query, Date.now()));
  }

  async terminate(backendId: string, hard: boolean, actor: Actor): Promise<Result<null>> {
    const begun = this.#state.db.transaction(() =>
      terminations.terminate(this.#state, backendId, hard, actor, Date.now()),
    );
    if (begun.ok) {
      this.#parts.work();
      await this.#parts.shards.notify(backendId);
      return begun;
    }
    if (begun.error.code !== "backend_not_running" || !this.#state.db.ready) return begun;
    const { account, name } = this.#state.row();
    const known = await backendsStub(this.env, account, name, backendId).describe(account, name, backendId);
    return known.ok ? begun : handedOn<null>(known);
  }

  async terminateAll(wish: TerminateAllWish, actor: Actor) {
    return this.#parts.changeBackends(() => terminations.terminateAll(this.#state, wish, actor, Date.now()));
  }

  async redeliver(wish: RedeliveryParams) {
    return redeliver(this.#parts, wish, Date.now());
  }

  async learn(backendId: string, heard: boolean) {
    return knownBackend(this.#state, backendId, (row) => heard && this.#state.spawns.acknowledge(row));
  }

  async statusReached(
    backendId: string,
    fencingToken: number,
    entry: StatusEntry,
    baseUrl: string | null,
  ): Promise<Result<null>> {
    const { hasEnded, deadlineAt } = applyReport(this.#state, backendId, fencingToken, entry, baseUrl);
    if (hasEnded) {
      this.#parts.shards.forget(backendId);
      this.#parts.waiters.ended(backendId);
    } else this.#alarm.noLaterThan(deadlineAt);
    this.#alarm.noLaterThan(this.#state.usage.writeBy());
    return ok(null);
  }

  async reconcile(cluster: string, reported: ReportedBackend[], lists: ClusterLists) {
    this.#alarm.renewDropped();
    const { lost, overdue, ...answer } = this.#parts.heartbeats.reconcile(
      cluster,
      reported,
      lists,
      Date.now(),
    );
    if (lost.length > 0 || overdue) this.#parts.work();
    return ok(answer);
  }

  async clusterLost(cluster: string, registration: number): Promise<Result<null>> {
    if (this.#parts.heartbeats.clusterLost(cluster, registration, Date.now())) this.#parts.work();
    return ok(null);
  }

  /** `GET /follow/news` as a WebSocket: a nudge for each change. 404 where there is no service, 503 where it is full. */
  override async fetch(): Promise<Response> {
    if (!this.#state.withService(ok).ok) return new Response(null, { status: 404 });
    return this.#parts.followers.answer(nudgesFollowed);
  }

  override async alarm(): Promise<void> {
    this.#alarm.fired();
    this.#parts.work();
    await this.#parts.outbox.send();
  }
}
