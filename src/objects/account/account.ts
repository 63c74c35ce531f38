import { listOf, nearest } from "../../domain/names.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { CreateTokenBody, Token } from "../../protocol/v3/accounts.ts";
import type {
  Cluster,
  CreateClusterBody,
  ObservedCluster,
  PatchClusterBody,
  TestedCluster,
} from "../../protocol/v3/clusters.ts";
import type { ListQuery, Page } from "../../protocol/v3/list.ts";
import { Alarm } from "../alarm.ts";
import type {
  AccountConfig,
  AccountRpc,
  Actor,
  Idempotency,
  NewSecret,
  ServiceDescription,
  SignedGet,
} from "../contract.ts";
import { idempotencySql } from "../idempotency.sql.ts";
import { pageStart, toPage } from "../page.ts";
import { handedOn } from "../rpc.ts";
import { clusterStub, directoryStub, registryStub, serviceStub } from "../stubs.ts";
import { type AccountRow, accountSql, type ClusterRow } from "./account.sql.ts";
import * as clusters from "./clusters.ts";
import { type ConfigSyncPorts, finishDeletion, syncConfig } from "./config-sync.ts";
import { credentialsSql } from "./credentials.sql.ts";
import { AccountCredentials } from "./credentials.ts";
import * as secrets from "./secrets.ts";
import { creationInProgress, randomServiceCode, setServiceUp } from "./service-setup.ts";
import { addToken, deleteToken } from "./tokens.ts";
import { accountConfig, tokenView } from "./views.ts";

const syncRetryMs = 2_000;

/** One tenant: its tokens, its clusters and the directory of its services. */
export class Account extends AccountCredentials implements AccountRpc {
  readonly #db = this.db;
  readonly #sql = accountSql(this.#db);
  readonly #idempotency = idempotencySql(this.#db);
  readonly #alarm = new Alarm(this.ctx);
  readonly #creating = new Set<string>();
  readonly #allowPrivate = this.env.ALLOW_PRIVATE_CLUSTERS === "true";

  async create(name: string, admin: NewSecret, idempotency?: Idempotency) {
    if (!this.#db.ready) this.#db.migrate();
    const now = Date.now();
    return this.#idempotency.once(idempotency, now, () => {
      if (this.#sql.account()) return fail("already_exists", `account \`${name}\` exists already`);
      this.#sql.insertAccount(name, now);
      return ok({ name, token: addToken(this.#sql, { name: "first admin", role: "admin" }, admin, now) });
    });
  }

  async createToken(
    body: CreateTokenBody,
    secret: NewSecret,
    idempotency?: Idempotency,
  ): Promise<Result<Token>> {
    return this.#once(idempotency, () => {
      if (body.service !== undefined && this.#sql.service(body.service)?.state !== "live") {
        return this.#serviceNotFound(body.service);
      }
      return ok(addToken(this.#sql, body, secret, Date.now()));
    });
  }

  async listTokens(query: ListQuery): Promise<Result<Page<Token>>> {
    return this.#page(query, (start, limit) =>
      toPage(this.#sql.tokensBefore(start, limit + 1), limit, ({ seq }) => seq, tokenView),
    );
  }

  async deleteToken(id: string): Promise<Result<null>> {
    return this.#once(undefined, () => deleteToken(this.#sql, credentialsSql(this.#db), id));
  }

  async createCluster(
    body: CreateClusterBody,
    agent: NewSecret,
    signingSecret: string,
    idempotency?: Idempotency,
  ): Promise<Result<Cluster>> {
    const created = this.#once(idempotency, (account) =>
      clusters.createCluster(
        this.#sql,
        account,
        body,
        { agent, signingSecret },
        this.#allowPrivate,
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

  async patchCluster(name: string, patch: PatchClusterBody): Promise<Result<Cluster>> {
    const patched = this.#once(undefined, () =>
      clusters.patchCluster(this.#sql, name, patch, this.#allowPrivate),
    );
    if (patched.ok) await this.#sync();
    return patched;
  }

  async rotateSecret(name: string, signingSecret: string, idempotency?: Idempotency) {
    const now = Date.now();
    const rotated = this.#once(idempotency, () => secrets.rotateSecret(this.#sql, name, signingSecret, now));
    if (!rotated.ok) return rotated;
    // A crash must not leave services signing with the old secret alone.
    this.#alarm.noLaterThan(now + syncRetryMs);
    await this.#sync();
    return rotated;
  }

  async deleteCluster(name: string): Promise<Result<null>> {
    const marked = this.#once(undefined, () => clusters.markDeleting(this.#sql, name));
    if (!marked.ok) return marked;
    this.#alarm.noLaterThan(Date.now() + syncRetryMs);
    const outcome = await finishDeletion(this.#syncPorts(), name);
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
    const exists = fail("already_exists", `service \`${name}\` exists already`);
    if (this.#creating.has(name)) return idempotency ? creationInProgress : exists;
    const begun = this.#once(undefined, (): Result<{ replay: Result<ServiceDescription> | null }> => {
      if (idempotency) {
        const found = this.#idempotency.find<ServiceDescription>(idempotency, Date.now());
        if (!found.ok) return found;
        if (found.value?.result) return ok({ replay: found.value.result });
      }
      const row = this.#sql.service(name);
      if (row?.state === "live") return exists;
      if (!row) this.#sql.insertService(name, randomServiceCode(), Date.now());
      else if (row.state === "removed") this.#sql.reviveService(name, Date.now());
      return ok({ replay: null });
    });
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
      clusters.setClusterDraining(this.#sql, cluster, registration, draining),
    );
    if (set.ok) await this.#sync();
    return set;
  }

  async deleteService(name: string): Promise<Result<null>> {
    const row = this.#db.ready ? this.#sql.service(name) : undefined;
    const account = this.#db.ready ? this.#sql.account() : undefined;
    if (!account || row?.state !== "live") return this.#serviceNotFound(name);
    const removed = handedOn(await serviceStub(this.env, account.name, name).remove());
    // One that is gone already was removed by an attempt that was cut short.
    if (!removed.ok && removed.error.code !== "service_not_found") return removed;
    await registryStub(this.env, account.name).removeRepository({ account: account.name, service: name });
    this.#sql.setServiceState(name, "removed");
    return ok(null);
  }

  async config(): Promise<Result<AccountConfig>> {
    return this.#once(undefined, (account) => ok(accountConfig(account, this.#sql.clusters())));
  }

  override async alarm(): Promise<void> {
    this.#alarm.fired();
    this.#db.transaction(() => secrets.dropSpentSecrets(this.#sql, Date.now()));
    for (const { name, deleting } of this.#sql.clusters()) {
      if (deleting) await finishDeletion(this.#syncPorts(), name);
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
    if (!account) return fail("account_not_found", "account not found");
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

  #serviceNotFound(name: string) {
    const names = this.#db.ready ? this.#sql.serviceNames().map((row) => row.name) : [];
    return fail(
      "service_not_found",
      `service \`${name}\` not found; this account has ${listOf(nearest(name, names))}`,
    );
  }
}
