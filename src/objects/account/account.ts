import { fail, ok, type Result } from "../../domain/result.ts";
import type {
  Cluster,
  CreateClusterBody,
  ObservedCluster,
  PatchClusterBody,
  TestedCluster,
} from "../../protocol/v3/clusters.ts";
import type { AccountEvent, EventQuery } from "../../protocol/v3/events.ts";
import type { ListQuery, Page } from "../../protocol/v3/list.ts";
import type {
  AccountConfig,
  AccountRpc,
  Actor,
  Idempotency,
  NewSecret,
  ServiceDescription,
  SignedGet,
} from "../contract.ts";
import { pageStart, toPage } from "../page.ts";
import { handedOn } from "../rpc.ts";
import { clusterStub, directoryStub, registryStub, serviceStub } from "../stubs.ts";
import type { AccountRow, ClusterRow } from "./account.sql.ts";
import * as clusters from "./clusters.ts";
import { type ConfigSyncPorts, finishDeletion, syncConfig } from "./config-sync.ts";
import { AccountCredentials, noAccount } from "./credentials.ts";
import { listEvents, recordEvents } from "./events.ts";
import * as secrets from "./secrets.ts";
import {
  beginService,
  creationInProgress,
  serviceExists,
  serviceNotFound,
  setServiceRemoved,
  setServiceUp,
} from "./service-setup.ts";
import { createToken } from "./tokens.ts";
import { accountConfig } from "./views.ts";

const syncRetryMs = 2_000;

/** One tenant: its tokens, its clusters and the directory of its services. */
export class Account extends AccountCredentials implements AccountRpc {
  readonly #db = this.db;
  readonly #sql = this.sql;
  readonly #idempotency = this.idempotency;
  readonly #alarm = this.wakeUp;
  readonly #events = this.eventNews;
  readonly #creating = new Set<string>();
  readonly #allowPrivate = this.env.ALLOW_PRIVATE_CLUSTERS === "true";

  async create(name: string, admin: NewSecret, idempotency?: Idempotency) {
    if (!this.#db.ready) this.#db.migrate();
    const now = Date.now();
    return this.#idempotency.once(idempotency, now, () => {
      if (this.#sql.account()) return fail("already_exists", `account \`${name}\` exists already`);
      this.#sql.insertAccount(name, now);
      const token = createToken(this.#sql, { name: "first admin", role: "admin" }, admin, null, now);
      return ok({ name, token });
    });
  }

  async createCluster(
    body: CreateClusterBody,
    agent: NewSecret,
    signingSecret: string,
    actor: Actor,
    idempotency?: Idempotency,
  ): Promise<Result<Cluster>> {
    const created = this.#once(idempotency, (account) =>
      clusters.createCluster(
        this.#sql,
        account,
        body,
        { agent, signingSecret },
        this.#allowPrivate,
        actor,
        Date.now(),
      ),
    );
    if (created.ok) await this.#sync();
    return created;
  }

  async listClusters(query: ListQuery): Promise<Result<Page<ObservedCluster>>> {
    const page = this.#page(query, (start, limit, account) =>
      toPage(
        this.#sql.clustersBefore(start, limit + 1),
        limit,
        ({ seq }) => seq,
        (row) => this.#observed(row, account),
      ),
    );
    return page.ok ? ok({ ...page.value, items: await Promise.all(page.value.items) }) : page;
  }

  async getCluster(name: string): Promise<Result<ObservedCluster>> {
    const asked = this.#once(undefined, (account) => {
      const found = clusters.findCluster(this.#sql, name);
      return found.ok ? ok({ cluster: this.#observed(found.value, account) }) : found;
    });
    return asked.ok ? ok(await asked.value.cluster) : asked;
  }

  async patchCluster(name: string, patch: PatchClusterBody, actor: Actor): Promise<Result<Cluster>> {
    const patched = this.#once(undefined, () =>
      clusters.patchCluster(this.#sql, name, patch, this.#allowPrivate, actor, Date.now()),
    );
    if (patched.ok) await this.#sync();
    return patched;
  }

  async rotateSecret(name: string, signingSecret: string, actor: Actor, idempotency?: Idempotency) {
    const now = Date.now();
    const rotated = this.#once(idempotency, () =>
      secrets.rotateSecret(this.#sql, name, signingSecret, actor, now),
    );
    if (!rotated.ok) return rotated;
    // A crash must not leave services signing with the old secret alone.
    this.#alarm.noLaterThan(now + syncRetryMs);
    await this.#sync();
    return rotated;
  }

  async deleteCluster(name: string, actor: Actor): Promise<Result<null>> {
    const marked = this.#once(undefined, () => clusters.markDeleting(this.#sql, name, actor));
    if (!marked.ok) return marked;
    this.#alarm.noLaterThan(Date.now() + syncRetryMs);
    const outcome = await finishDeletion(this.#syncPorts(), name, Date.now());
    return outcome.state === "kept" ? clusters.clusterInUse(name, outcome.neededBy) : ok(null);
  }

  async testCluster(name: string): Promise<Result<TestedCluster>> {
    const found = this.#once(undefined, (account) => {
      const row = clusters.findCluster(this.#sql, name);
      return row.ok ? ok({ row: row.value, log: clusterStub(this.env, account.name, name) }) : row;
    });
    return found.ok ? ok(await clusters.pingCluster(found.value.row, found.value.log)) : found;
  }

  async registrationOf(cluster: string): Promise<Result<number>> {
    return this.#once(undefined, () => clusters.registrationOf(this.#sql, cluster));
  }

  async signedGet(cluster: string, path: string): Promise<Result<SignedGet>> {
    const found = this.#once(undefined, () => clusters.findCluster(this.#sql, cluster));
    return found.ok ? ok(await clusters.signedGet(found.value, path, Date.now())) : found;
  }

  async createService(
    body: { name: string; default_environment?: string },
    actor: Actor,
    idempotency?: Idempotency,
  ): Promise<Result<ServiceDescription>> {
    const { name } = body;
    if (this.#creating.has(name)) return idempotency ? creationInProgress : serviceExists(name);
    const ports = { sql: this.#sql, idempotency: this.#idempotency };
    const begun = this.#once(undefined, () => beginService(ports, name, idempotency, Date.now()));
    if (!begun.ok) return begun;
    if (begun.value.replay) return begun.value.replay;
    this.#creating.add(name);
    try {
      return await this.#setServiceUp(body, actor, idempotency);
    } finally {
      this.#creating.delete(name);
    }
  }

  async listServices(query: ListQuery): Promise<Result<Page<{ name: string; created_at: string }>>> {
    return this.#page(query, (start, limit) =>
      toPage(
        this.#sql.servicesBefore(start, limit + 1),
        limit,
        ({ seq }) => seq,
        (row) => ({ name: row.name, created_at: new Date(row.created_at).toISOString() }),
      ),
    );
  }

  async serviceNames(): Promise<Result<string[]>> {
    return this.#once(undefined, () => ok(this.#sql.serviceNames().map(({ name }) => name)));
  }

  async servicesOfCluster(cluster: string, registration: number) {
    return this.#once(undefined, () => clusters.servicesOfCluster(this.#sql, cluster, registration));
  }

  async setClusterDraining(cluster: string, registration: number, draining: boolean): Promise<Result<null>> {
    const set = this.#once(undefined, () =>
      clusters.setClusterDraining(this.#sql, cluster, registration, draining, Date.now()),
    );
    if (set.ok) await this.#sync();
    return set;
  }

  async deleteService(name: string, actor: Actor): Promise<Result<null>> {
    const row = this.#db.ready ? this.#sql.service(name) : undefined;
    const account = this.#db.ready ? this.#sql.account() : undefined;
    if (!account) return noAccount();
    if (row?.state !== "live") return serviceNotFound(this.#sql, name);
    const removed = handedOn(await serviceStub(this.env, account.name, name).remove());
    // One that is gone already was removed by an attempt that was cut short.
    if (!removed.ok && removed.error.code !== "service_not_found") return removed;
    await registryStub(this.env, account.name).removeRepository({ account: account.name, service: name });
    setServiceRemoved({ db: this.#db, sql: this.#sql }, name, actor, Date.now());
    return ok(null);
  }

  async config(): Promise<Result<AccountConfig>> {
    return this.#once(undefined, (account) => ok(accountConfig(account, this.#sql.clusters())));
  }

  async recordEvents(events: AccountEvent[]): Promise<Result<null>> {
    return this.#once(undefined, () => recordEvents(this.#sql, events));
  }

  async listEvents(query: EventQuery, allowed?: readonly string[]) {
    return this.#once(undefined, () => listEvents(this.#sql, { ...query, allowedEnvironments: allowed }));
  }

  override async fetch(request: Request): Promise<Response> {
    return this.#events.follow(request);
  }

  override async alarm(): Promise<void> {
    this.#alarm.fired();
    this.#db.transaction(() => secrets.dropSpentSecrets(this.#sql, Date.now()));
    this.#events.trim(Date.now());
    for (const { name, deleting } of this.#sql.clusters()) {
      if (deleting) await finishDeletion(this.#syncPorts(), name, Date.now());
    }
    await this.#sync();
    if (this.#sql.clusters().some(({ deleting }) => deleting))
      this.#alarm.noLaterThan(Date.now() + syncRetryMs);
  }

  async #setServiceUp(
    body: { name: string; default_environment?: string },
    actor: Actor,
    request: Idempotency | undefined,
  ): Promise<Result<ServiceDescription>> {
    const created = await setServiceUp(
      {
        db: this.#db,
        sql: this.#sql,
        idempotency: this.#idempotency,
        claim: (code, account, service) => directoryStub(this.env, code).claim(code, account, service),
        initialise: async (service) =>
          handedOn(await serviceStub(this.env, service.account, service.name).initialise(service, actor)),
      },
      body,
      actor,
      request,
    );
    if (created.ok) await this.#sync();
    return created;
  }

  async #sync(): Promise<void> {
    const { unreached } = await syncConfig(this.#syncPorts());
    if (unreached.length > 0) this.#alarm.noLaterThan(Date.now() + syncRetryMs);
    this.#alarm.noLaterThan(secrets.nextEndOfSecrets(this.#sql));
  }

  #observed(row: ClusterRow, account: AccountRow): Promise<ObservedCluster> {
    const observed = clusterStub(this.env, account.name, row.name).observe(row.registration);
    return clusters.observedCluster(row, account, observed);
  }

  #syncPorts(): ConfigSyncPorts {
    const account = this.#sql.account()?.name ?? "";
    return {
      db: this.#db,
      sql: this.#sql,
      apply: (service, config) => serviceStub(this.env, account, service).applyAccountConfig(config),
    };
  }

  /** A transaction on an account that exists, run once for each idempotency key. */
  #once<T>(idempotency: Idempotency | undefined, action: (account: AccountRow) => Result<T>): Result<T> {
    const account = this.#db.ready ? this.#sql.account() : undefined;
    if (!account) return noAccount();
    return this.#idempotency.once(idempotency, Date.now(), () => action(account));
  }

  #page<T>(
    query: ListQuery,
    read: (start: number, limit: number, account: AccountRow) => Page<T>,
  ): Result<Page<T>> {
    return this.#once(undefined, (account) => {
      const start = pageStart(query);
      return start.ok ? ok(read(start.value, query.limit, account)) : start;
    });
  }
}
