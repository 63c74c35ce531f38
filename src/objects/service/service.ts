import { earliest } from "../../domain/deliveries/retry.ts";
import { environmentsShown } from "../../domain/limits.ts";
import { ok, type Result } from "../../domain/result.ts";
import type { Backend, BackendQuery } from "../../protocol/v3/backends.ts";
import type { RecordImageBody } from "../../protocol/v3/images.ts";
import type { ListQuery, SearchQuery } from "../../protocol/v3/list.ts";
import type { CreateEnvironmentBody } from "../../protocol/v3/services.ts";
import type {
  AccountConfig,
  AdmittedPush,
  BackendWithStatus,
  Caller,
  ClusterReport,
  Connection,
  ConnectParams,
  RedeliveryParams,
  RegistryCaller,
  Retirement,
  ServiceDescription,
  ServiceRpc,
  UsageQuery,
} from "../contract.ts";
import { followerLeft } from "../followers.ts";
import { findBackend, pageOfBackends, shownBackends, unlessUnknown } from "./backends/backend-list.ts";
import { releaseBackend } from "./backends/held.ts";
import { applyReport } from "./backends/lifecycle.ts";
import { findMassTermination, listMassTerminations } from "./backends/mass-terminations.ts";
import { knownBackend } from "./backends/shard-notifier.ts";
import * as terminations from "./backends/terminations.ts";
import { connectBackend } from "./connect/connect.ts";
import { resolveConnect } from "./connect/resolve.ts";
import { redeliver } from "./deliveries/redelivery.ts";
import { DeployingService } from "./deploying-service.ts";
import { acceptPush } from "./deploys/move.ts";
import { describeService } from "./description.ts";
import * as drains from "./drains/drains.ts";
import { nudgesFollowed } from "./feed/nudges.ts";
import * as overview from "./overview.ts";
import { ServiceParts } from "./parts.ts";
import * as environments from "./pins/environments.ts";
import * as images from "./pins/images.ts";
import * as lists from "./pins/lists.ts";
import { history } from "./pins/revisions.ts";
import * as setup from "./setup.ts";

type Answer<Method extends keyof ServiceRpc> = ReturnType<ServiceRpc[Method]>;

/**
 * One service: the single writer of its pins and of every spawn decision. Each method loads, lets the domain decide
 * and commits in one synchronous transaction; webhooks and calls of other objects follow it.
 */
export class Service extends DeployingService implements ServiceRpc {
  #state = this.parts.state;
  #alarm = this.parts.alarm;

  async initialise(service: setup.NewService, { actor }: Pick<Caller, "actor">): Answer<"initialise"> {
    if (!this.#state.db.ready) this.#state.db.migrate();
    return this.#state.db.transaction(() => setup.initialise(this.#state, service, actor, Date.now()));
  }

  async applyAccountConfig(config: AccountConfig): Promise<Result<null>> {
    if (!this.#state.db.ready) return ok(null);
    return this.#state.db.transaction(() => setup.applyAccountConfig(this.#state, config));
  }

  async exists(): Promise<Result<null>> {
    return this.#state.reading(() => ok(null));
  }

  async describe(allowed?: readonly string[], atMost?: number): Promise<Result<ServiceDescription>> {
    return this.#state.reading((service) => ok(describeService(this.#state, service, allowed, atMost)));
  }

  async overview(allowed?: readonly string[], query: SearchQuery = { limit: environmentsShown }) {
    return this.#state.reading((service) => overview.serviceOverview(this.#state, service, allowed, query));
  }

  async environmentDetail(...call: Parameters<ServiceRpc["environmentDetail"]>) {
    return this.#state.reading((service) => overview.environmentDetail(this.#state, service, ...call));
  }

  async environmentChoice(...call: Parameters<ServiceRpc["environmentChoice"]>) {
    return this.#state.reading((service) => ok(overview.environmentChoice(this.#state, service, ...call)));
  }

  async usedImages(...call: Parameters<ServiceRpc["usedImages"]>) {
    return this.#state.reading((service) => overview.usedImages(this.#state, service, ...call));
  }

  async patch(...[patch, { actor }]: Parameters<ServiceRpc["patch"]>) {
    return this.#state.withService(() =>
      setup.setDefaultEnvironment(this.#state, patch.default_environment, actor, Date.now()),
    );
  }

  async remove(): Promise<Result<null>> {
    return this.parts.changeBackends(() => setup.removeService(this.#state, Date.now()));
  }

  async retire(): Promise<Retirement> {
    return setup.retire(this.#state, Date.now());
  }

  async forget(): Promise<void> {
    if (setup.retire(this.#state, Date.now()).state === "kept") throw new Error("it is not to be forgotten");
    await this.#state.db.clear();
    this.parts = new ServiceParts(this.ctx, this.env);
    this.#state = this.parts.state;
    this.#alarm = this.parts.alarm;
  }

  connectBackend(params: ConnectParams, caller: Caller): Promise<Result<Connection>> {
    return connectBackend(this.parts, { params, caller });
  }

  async resolve(...call: Parameters<ServiceRpc["resolve"]>) {
    return this.#state.reading((service) => resolveConnect(this.#state, service, ...call));
  }

  async createEnvironment(body: CreateEnvironmentBody, caller: Caller) {
    return this.parts.change((service) =>
      environments.createEnvironment(this.#state, service, body, caller, Date.now()),
    );
  }

  async listEnvironments(query: SearchQuery, allowed?: readonly string[]) {
    return this.#state.reading(() => lists.listEnvironments(this.#state, query, allowed));
  }

  async getEnvironment(name: string, allowedEnvironments?: readonly string[]) {
    return this.#state.withService(() => environments.getEnvironment(this.#state, name, allowedEnvironments));
  }

  async history(environment: string, query: ListQuery, allowedEnvironments?: readonly string[]) {
    return this.#state.withService(() => history(this.#state, environment, query, allowedEnvironments));
  }

  async recordImage(body: RecordImageBody, caller: Caller | RegistryCaller) {
    const now = Date.now();
    return this.parts.change(
      (service) =>
        images.recordImage(this.#state, service, body, caller, now, (push) =>
          acceptPush({ state: this.#state, service, caller, now }, push),
        ),
      "origin" in caller ? "registry" : "request",
    );
  }

  async recordNotified(...call: Parameters<ServiceRpc["recordNotified"]>) {
    const now = Date.now();
    const [, , caller] = call;
    return this.parts.change((service) =>
      images.recordNotified(
        this.#state,
        service,
        now,
        (push) => acceptPush({ state: this.#state, service, caller, now }, push),
        ...call,
      ),
    );
  }

  async admitPush(push: AdmittedPush): Promise<Result<null>> {
    return this.parts.holdings.admit(() =>
      this.#state.withService(() => images.addTags(this.#state, push, Date.now())),
    );
  }

  async listImages(query: SearchQuery, caller: Pick<Caller, "registryHost">) {
    return this.#state.reading((service) => lists.listImages(this.#state, service, query, caller));
  }

  async getImage(...call: Parameters<ServiceRpc["getImage"]>) {
    return this.#state.reading((service) => images.getImage(this.#state, service, ...call));
  }

  async deleteImage(
    digest: string,
    caller: Pick<Caller | RegistryCaller, "actor">,
    kept?: "own_registry",
  ): Promise<Result<null>> {
    return this.#state.withService((service) =>
      images.deleteImage(this.#state, service, digest, caller, kept, Date.now()),
    );
  }

  async forgetTag(...call: Parameters<ServiceRpc["forgetTag"]>): Promise<Result<null>> {
    return this.#state.withService((service) => images.forgetTag(this.#state, service, ...call, Date.now()));
  }

  async recentImages(caller: Pick<Caller, "registryHost">) {
    return this.#state.withService((service) => ok(images.recentImages(this.#state, service, caller)));
  }

  async listBackends(query: BackendQuery, allowed?: readonly string[]) {
    return pageOfBackends(this.env, this.parts, query, allowed);
  }

  async liveBackends(before = Number.MAX_SAFE_INTEGER): Promise<Result<BackendWithStatus[]>> {
    return shownBackends(this.parts, before);
  }

  async getBackend(backendId: string, allowedEnvironments?: readonly string[]): Promise<Result<Backend>> {
    return findBackend(this.env, this.#state, backendId, allowedEnvironments);
  }

  async releaseBackend(backendId: string, note: string, { actor }: Pick<Caller, "actor">) {
    const released = await releaseBackend(this.parts, backendId, note, actor, Date.now());
    const found = await this.getBackend(backendId);
    return released.ok || !found.ok ? found : released;
  }

  async usage(query: UsageQuery) {
    return this.#state.reading(() => this.#state.usage.usage(query, Date.now()));
  }

  async terminate(backendId: string, hard: boolean, { actor }: Pick<Caller, "actor">): Promise<Result<null>> {
    const begun = this.#state.db.transaction(() =>
      terminations.terminate(this.#state, backendId, hard, actor, Date.now()),
    );
    if (begun.ok) {
      this.parts.work();
      await this.parts.shards.notify(backendId);
      return begun;
    }
    return unlessUnknown(this.env, this.#state, backendId, begun);
  }

  async terminateAll(...[params, { actor }]: Parameters<ServiceRpc["terminateAll"]>) {
    return this.parts.changeBackends(() => terminations.terminateAll(this.#state, params, actor, Date.now()));
  }

  async createTermination(...call: Parameters<ServiceRpc["createTermination"]>) {
    return this.parts.changeBackends(() => terminations.createTermination(this.#state, ...call, Date.now()));
  }

  async holdings() {
    return this.parts.holdings.held();
  }

  async listTerminations(allowedEnvironments?: readonly string[]) {
    return listMassTerminations(this.#state, allowedEnvironments, Date.now());
  }

  async getTermination(id: string, allowedEnvironments?: readonly string[]) {
    return findMassTermination(this.#state, id, allowedEnvironments, Date.now());
  }

  async createDrain(...call: Parameters<ServiceRpc["createDrain"]>) {
    return this.parts.changeBackends(() => drains.createDrain(this.#state, ...call, Date.now()));
  }

  async listDrains(...[query, allowed]: Parameters<ServiceRpc["listDrains"]>) {
    return this.#state.reading(() => drains.listDrains(this.#state, query, allowed, Date.now()));
  }

  async getDrain(...[id, allowed]: Parameters<ServiceRpc["getDrain"]>) {
    return this.#state.reading(() => drains.getDrain(this.#state, id, allowed, Date.now()));
  }

  async cancelDrain(...call: Parameters<ServiceRpc["cancelDrain"]>) {
    return this.parts.changeBackends(() => drains.cancelDrain(this.#state, ...call, Date.now()));
  }

  async redeliver(params: RedeliveryParams) {
    return redeliver(this.parts, params, Date.now());
  }

  async learn(backendId: string, reported: boolean) {
    return knownBackend(this.#state, backendId, (row) => reported && this.#state.spawns.acknowledge(row));
  }

  async statusReached(...report: Parameters<ServiceRpc["statusReached"]>): Answer<"statusReached"> {
    const { kept, deadlineAt } = applyReport(this.#state, ...report);
    this.#alarm.noLaterThan(deadlineAt);
    this.#alarm.noLaterThan(earliest([this.#state.usage.writeBy(), this.#state.arms.writeBy()]));
    return ok({ kept });
  }

  async reconcile(cluster: string, report: ClusterReport) {
    this.#alarm.renewDropped();
    const { lost, overdue, ...answer } = this.parts.heartbeats.reconcile(cluster, report, Date.now());
    if (lost.length > 0 || overdue) this.parts.work();
    return ok(answer);
  }

  async clusterLost(...call: Parameters<ServiceRpc["clusterLost"]>): Promise<Result<null>> {
    if (this.parts.heartbeats.clusterLost(...call, Date.now())) this.parts.work();
    return ok(null);
  }

  /** `GET /follow/news` as a WebSocket: a nudge for each change. 404 where there is no service, 503 where it is full. */
  override async fetch(): Promise<Response> {
    if (!this.#state.withService(ok).ok) return new Response(null, { status: 404 });
    return this.parts.followers.answer(nudgesFollowed);
  }

  override async webSocketClose(socket: WebSocket): Promise<void> {
    followerLeft(socket);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    followerLeft(socket);
  }

  override async alarm(): Promise<void> {
    this.#alarm.fired();
    await this.parts.wake();
  }
}
