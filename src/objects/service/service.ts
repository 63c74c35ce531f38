import { DurableObject } from "cloudflare:workers";
import type { StatusEntry } from "../../domain/backend-status.ts";
import { chooseEnvironment } from "../../domain/environments.ts";
import { idAlphabet } from "../../domain/ids.ts";
import { judgeHeartbeat, type ReportedBackend } from "../../domain/lease.ts";
import { keyTerminatingWaitMs } from "../../domain/limits.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
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
  ServiceDescription,
  ServiceRpc,
} from "../contract.ts";
import { Alarm } from "../database.ts";
import type { Env } from "../env.ts";
import { pageStart, toPage } from "../page.ts";
import { backendsStub } from "../stubs.ts";
import { sendWebhook } from "../webhook-sender.ts";
import { pageOfBackends } from "./backend-list.ts";
import { type ConnectionDraft, connectRandomBytes, recoveryDelayMs, resolveConnect } from "./connect.ts";
import { replayOrDecide } from "./connect-replay.ts";
import { Deliveries } from "./deliveries.ts";
import { describeService } from "./description.ts";
import * as environments from "./environments.ts";
import * as images from "./images.ts";
import { applyReportedStatus, beginTermination, endBackend, statusEntry, terminable } from "./lifecycle.ts";
import type { ServiceRow } from "./service.sql.ts";
import { backendRecord, ShardNews } from "./shard-news.ts";
import { backendInfo, ServiceState } from "./state.ts";
import { Waiters } from "./waiters.ts";
import { announcingPins } from "./webhooks.ts";
import { doWork, type WorkPorts } from "./work.ts";

const terminateAllAtOnce = 500;

/**
 * One service: the single writer of its pins and of every spawn decision. Each method loads, lets the domain decide
 * and commits in one synchronous transaction; webhooks and other objects are spoken to after it.
 */
export class Service extends DurableObject<Env> implements ServiceRpc {
  readonly #state = new ServiceState(this.ctx.storage);
  readonly #alarm = new Alarm(this.ctx.storage);
  readonly #waiters = new Waiters();
  readonly #deliveries = new Deliveries(this.#state, {
    send: sendWebhook,
    now: () => Date.now(),
    random: () => Math.random(),
    leftWork: () => this.#work(),
  });
  readonly #news = new ShardNews(this.#state, (record) => {
    const { account, service, id } = record.info;
    return backendsStub(this.env, account, service, id).record(record);
  });
  readonly #workPorts: WorkPorts = {
    state: this.#state,
    alarm: this.#alarm,
    deliveries: this.#deliveries,
    news: this.#news,
    ended: (backendId) => this.#waiters.ended(backendId),
  };

  async initialise(
    service: {
      account: string;
      name: string;
      code: string;
      defaultEnvironment?: string;
      config: AccountConfig;
    },
    actor: Actor,
  ): Promise<Result<ServiceDescription>> {
    const state = this.#state;
    if (!state.db.ready) state.db.migrate();
    return state.db.transaction((): Result<ServiceDescription> => {
      const now = Date.now();
      const existing = state.sql.service();
      if (existing?.removed_at === null) return ok(describeService(state, existing));
      if (existing) state.sql.reviveService(now);
      else {
        state.sql.insertService({
          account: service.account,
          name: service.name,
          code: service.code,
          created_at: now,
          default_environment: null,
          config: JSON.stringify(service.config),
          config_version: service.config.version,
        });
      }
      state.setConfig(service.config);
      if (service.defaultEnvironment !== undefined)
        state.sql.setDefaultEnvironment(service.defaultEnvironment);
      const created = environments.createDefaultEnvironment(state, actor, now);
      return created.ok ? ok(describeService(state, state.row())) : created;
    });
  }

  async applyAccountConfig(config: AccountConfig): Promise<Result<null>> {
    const state = this.#state;
    if (!state.db.ready) return ok(null);
    return state.db.transaction((): Result<null> => {
      if (config.version <= state.row().config_version) return ok(null);
      const kept = new Set(config.clusters.map(({ name }) => name));
      const needed = [
        ...state.sql.environments().flatMap(({ cluster }) => cluster ?? []),
        ...state.sql.liveBackends().map(({ cluster }) => cluster),
      ];
      const missing = needed.find((cluster) => !kept.has(cluster));
      if (missing !== undefined) return fail("cluster_in_use", `cluster \`${missing}\` is in use`);
      state.setConfig(config);
      return ok(null);
    });
  }

  async describe(): Promise<Result<ServiceDescription>> {
    return this.#state.withService((service) => ok(describeService(this.#state, service)));
  }

  async patch(patch: { default_environment: string | null }): Promise<Result<ServiceDescription>> {
    return this.#state.withService((): Result<ServiceDescription> => {
      const name = patch.default_environment;
      if (name !== null) {
        const found = environments.findEnvironment(this.#state, name);
        if (!found.ok) return found;
      }
      this.#state.sql.setDefaultEnvironment(name);
      return ok(describeService(this.#state, this.#state.row()));
    });
  }

  async remove(_actor: Actor): Promise<Result<null>> {
    return this.#change(() => {
      const now = Date.now();
      for (const row of this.#state.sql.liveBackends()) {
        beginTermination(this.#state, row, { hard: false, reason: "external" }, now);
      }
      this.#state.sql.removeService(now);
      return ok(null);
    });
  }

  async connectBackend(call: ConnectCall): Promise<Result<Connection>> {
    const giveUpAt = Date.now() + keyTerminatingWaitMs;
    for (;;) {
      const now = Date.now();
      const random = crypto.getRandomValues(new Uint8Array(connectRandomBytes));
      const decided = this.#state.withService((service) =>
        replayOrDecide(this.#state, service, call, this.#deliveries, now, random),
      );
      if (!decided.ok) return decided;
      const { value } = decided;
      if (value.step === "replay") return value.result;
      if (value.step !== "wait") return this.#finishConnect(call, value.step, value.draft);
      const ended = await this.#waiters.untilEnded(value.backendId, giveUpAt - now, () =>
        this.#holdsOn(value.backendId),
      );
      if (!ended) {
        return fail(
          "key_terminating",
          `backend \`${value.backendId}\` holds the key \`${call.key}\` and is still ending`,
          {
            details: { backend_id: value.backendId },
            retryAfterSeconds: 5,
          },
        );
      }
    }
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
        announcingPins(this.#state, service, registryHost, now, () => {
          const created = environments.createEnvironment(this.#state, body, actor, now);
          return created.ok ? ok(environments.environmentView(this.#state, created.value)) : created;
        }),
      );
    });
  }

  async listEnvironments(query: ListQuery) {
    return this.#state.withService(() => {
      const start = pageStart(query);
      if (!start.ok) return start;
      const rows = this.#state.sql.environmentsBefore(start.value, query.limit + 1);
      const view = (row: (typeof rows)[number]) => environments.environmentView(this.#state, row);
      return ok(toPage(rows, query.limit, ({ seq }) => seq, view));
    });
  }

  async getEnvironment(name: string) {
    return this.#state.withService(() => {
      const row = environments.findEnvironment(this.#state, name);
      return row.ok ? ok(environments.environmentView(this.#state, row.value)) : row;
    });
  }

  async patchEnvironment(name: string, patch: PatchEnvironmentBody) {
    return this.#state.withService(() => {
      const row = environments.patchEnvironment(this.#state, name, patch);
      return row.ok ? ok(environments.environmentView(this.#state, row.value)) : row;
    });
  }

  async deleteEnvironment(name: string): Promise<Result<null>> {
    return this.#state.withService(() => environments.deleteEnvironment(this.#state, name));
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

  async deleteImage(digest: string): Promise<Result<null>> {
    return this.#state.withService(() => images.deleteImage(this.#state, digest));
  }

  async recentImages(registryHost: string) {
    return this.#state.withService((service) => ok(images.recentImages(this.#state, service, registryHost)));
  }

  async listBackends(query: BackendQuery) {
    const live = this.#state.withService((service) => ok(this.#live(service)));
    if (!live.ok) return live;
    if (query.status !== "terminated") return pageOfBackends(query, async () => live.value);
    const { account, name, code } = this.#state.row();
    return pageOfBackends(query, async (before) => {
      const shards = Array.from(idAlphabet, (shard) =>
        backendsStub(this.env, account, name, `${code}${shard}0000000`),
      );
      return (await Promise.all(shards.map((shard) => shard.ended(query, before)))).flat();
    });
  }

  async liveBackends(): Promise<Result<BackendWithStatus[]>> {
    return this.#state.withService((service) => ok(this.#live(service)));
  }

  async terminate(backendId: string, hard: boolean, actor: Actor): Promise<Result<null>> {
    const begun = this.#change(() => {
      const row = terminable(this.#state, backendId);
      if (!row.ok) return row;
      if (actor.environments && !actor.environments.includes(row.value.environment)) {
        return fail(
          "forbidden",
          `this token may not end backends of environment \`${row.value.environment}\``,
        );
      }
      beginTermination(this.#state, row.value, { hard, reason: "external" }, Date.now());
      return ok(null);
    });
    if (begun.ok) await this.#news.tell(backendId);
    return begun;
  }

  async terminateAll(wish: { before: number | null; hard: boolean; dryRun: boolean }, actor: Actor) {
    return this.#change(() => {
      const { before } = wish;
      const matched = this.#state.sql
        .liveBackends()
        .filter(
          (row) =>
            (before === null || row.created_at < before) &&
            (actor.environments === undefined || actor.environments.includes(row.environment)),
        );
      const chosen = wish.dryRun ? [] : matched.slice(0, terminateAllAtOnce);
      for (const row of chosen) {
        beginTermination(this.#state, row, { hard: wish.hard, reason: "external" }, Date.now());
      }
      return ok({
        matched: matched.length,
        terminated: chosen.length,
        complete: wish.dryRun || chosen.length === matched.length,
      });
    });
  }

  async learn(backendId: string, heard: boolean) {
    const row = this.#state.db.ready ? this.#state.sql.backend(backendId) : undefined;
    if (!row) return fail("backend_not_found", `backend \`${backendId}\` not found`);
    if (heard) this.#deliveries.acknowledge(backendId);
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
    return ok(null);
  }

  async reconcile(cluster: string, reported: ReportedBackend[]) {
    if (!this.#state.db.ready)
      return ok({ terminate: reported.map(({ id }) => id), unknown: reported.map(({ id }) => id) });
    const rows = this.#state.sql.backendsOfCluster(cluster);
    const now = Date.now();
    const verdict = judgeHeartbeat(
      reported,
      rows.map((row) => ({
        id: row.id,
        status: row.status,
        fencingToken: row.fencing_token,
        createdAt: row.created_at,
        delivered: row.next_attempt_at === null || this.#deliveries.isAcknowledged(row.id),
      })),
      now,
    );
    for (const { id } of reported) if (!verdict.terminate.includes(id)) this.#deliveries.acknowledge(id);
    this.#end(
      rows.filter(({ id }) => verdict.lost.includes(id)),
      now,
    );
    return ok({ terminate: verdict.terminate, unknown: verdict.unknown });
  }

  async clusterLost(cluster: string): Promise<Result<null>> {
    if (this.#state.db.ready) this.#end(this.#state.sql.backendsOfCluster(cluster), Date.now());
    return ok(null);
  }

  override async alarm(): Promise<void> {
    this.#alarm.fired();
    this.#work();
  }

  /** A change that may leave something to send or to tell. */
  #change<T>(action: (service: ServiceRow) => Result<T>): Result<T> {
    const result = this.#state.withService(action);
    if (result.ok) this.#work();
    return result;
  }

  #work(): void {
    doWork(this.#workPorts, Date.now());
  }

  #live(service: ServiceRow): BackendWithStatus[] {
    return this.#state.sql
      .liveBackends()
      .map((row) => ({ info: backendInfo(service, row), status: statusEntry(row) }));
  }

  /** Takes backends as gone with their cluster. */
  #end(rows: readonly { id: string }[], now: number): void {
    if (rows.length === 0) return;
    this.#state.db.transaction(() => {
      for (const { id } of rows) {
        const row = this.#state.sql.backend(id);
        if (row && row.status !== "terminated") endBackend(this.#state, row, "lost", now);
      }
    });
    for (const { id } of rows) this.#waiters.ended(id);
    this.#work();
  }

  #holdsOn(backendId: string): boolean {
    const row = this.#state.sql.backend(backendId);
    return row !== undefined && row.status !== "terminated";
  }

  async #finishConnect(
    call: ConnectCall,
    step: "spawned" | "reused",
    draft: ConnectionDraft,
  ): Promise<Result<Connection>> {
    if (step === "spawned") {
      this.#state.spawnedAt.set(draft.environment, draft.grantedAt);
      this.#alarm.noLaterThan(draft.grantedAt + recoveryDelayMs);
    }
    const url = await this.#urlOf(step, draft);
    const result = url.ok ? ok({ ...draft, baseUrl: url.value }) : url;
    if (call.idempotency && (result.ok || result.error.code !== "cluster_unavailable")) {
      this.#state.idempotency.keep(call.idempotency, { result, subject: draft.backendId }, Date.now());
    }
    return result;
  }

  /** The backend's URL; a spawn is answered when its cluster has answered, unless the cluster is `async`. */
  async #urlOf(step: "spawned" | "reused", draft: ConnectionDraft): Promise<Result<string>> {
    const { backendId, baseUrl } = draft;
    if (step === "reused" && baseUrl !== null) return ok(baseUrl);
    if (step === "reused" && !this.#deliveries.isSpawning(backendId)) {
      return fail(
        "cluster_unavailable",
        `cluster \`${draft.cluster}\` has not told the URL of backend \`${backendId}\` yet`,
        {
          details: { backend_id: backendId },
          retryAfterSeconds: 2,
        },
      );
    }
    const attempt = this.#deliveries.spawn(backendId);
    if (baseUrl !== null && this.#state.cluster(draft.cluster)?.ack === "async") return ok(baseUrl);
    return attempt;
  }
}
