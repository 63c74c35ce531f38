import { DurableObject } from "cloudflare:workers";
import type { Fence } from "../../domain/backends/fence.ts";
import { type SessionKind, sessionNotFound } from "../../domain/credentials/sessions.ts";
import type { Holdings } from "../../domain/quotas.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type {
  Account as AccountView,
  CreateTokenBody,
  PatchAccountBody,
  Token,
} from "../../protocol/v3/accounts.ts";
import type {
  Cluster,
  CreateClusterBody,
  ObservedCluster,
  PatchClusterBody,
  TestedCluster,
} from "../../protocol/v3/clusters.ts";
import type { AccountEvent, EventQuery } from "../../protocol/v3/events.ts";
import type { ListQuery, Page, SearchQuery } from "../../protocol/v3/list.ts";
import type { Session } from "../../protocol/v3/sessions.ts";
import { Alarm } from "../alarm.ts";
import type {
  AccountConfig,
  AccountRpc,
  Caller,
  Idempotency,
  Identity,
  ListedService,
  LoginLink,
  LogsIn,
  NewSecret,
  NewServiceBody,
  ServiceDescription,
  SessionParams,
  SignedGet,
} from "../contract.ts";
import type { Env } from "../env.ts";
import { Expiries } from "../expiries.ts";
import { objectFailures } from "../failures/failure-log.ts";
import { Followers, followerLeft } from "../followers.ts";
import { accountRegisterStub } from "../stubs.ts";
import * as clusters from "./clusters/clusters.ts";
import { catchUp, finishDeletion, syncConfig, syncRetryMs } from "./clusters/config-sync.ts";
import * as secrets from "./clusters/secrets.ts";
import { accountConfig } from "./clusters/views.ts";
import * as sessions from "./credentials/sessions.ts";
import * as tokens from "./credentials/tokens.ts";
import { forgetDeleted } from "./deleted-services.ts";
import { EventFeed, listEvents, recordEvents } from "./events/events.ts";
import { accountPorts } from "./ports.ts";
import * as quotas from "./quotas/quotas.ts";
import * as services from "./service-setup.ts";
import { AccountState } from "./state.ts";

/** One tenant: its tokens, its clusters and the directory of its services. */
export class Account extends DurableObject<Env> implements AccountRpc {
  readonly #state = new AccountState(this.ctx.storage, {
    eventWritten: () => this.#events.changed(),
    expiringWritten: () => this.#expiries.changed(),
  });
  readonly #alarm = new Alarm(this.ctx);
  readonly #events = new EventFeed(this.#state, new Followers(this.ctx), this.#alarm);
  readonly #expiries = new Expiries(this.#state.db, this.#alarm, this.#state.expiring);
  readonly #ports = accountPorts(this.env, {
    state: this.#state,
    alarm: this.#alarm,
    failures: objectFailures(this.ctx, "Account"),
  });
  readonly #allowPrivate = this.env.ALLOW_PRIVATE_CLUSTERS === "true";

  async create(name: string, admin: NewSecret, idempotency?: Idempotency) {
    const { db, sql } = this.#state;
    // First: nobody finds an account that is not registered.
    await accountRegisterStub(this.env).registerAccount(name, !db.ready);
    if (!db.ready) db.migrate();
    const now = Date.now();
    return this.#state.idempotency.once(idempotency, now, () => {
      if (sql.account()) return fail("already_exists", `account \`${name}\` exists already`);
      sql.insertAccount(name, now);
      const token = tokens.addFirstToken(sql, admin, now);
      return token.ok ? ok({ name, token: token.value }) : token;
    });
  }

  async authenticate(id: string, secretHash: string): Promise<Result<Identity>> {
    if (!this.#state.db.ready) return tokens.notValid();
    return tokens.authenticate(this.#state.sql, id, secretHash, Date.now());
  }

  async authenticateFor(id: string, secretHash: string, service: string) {
    const identity = await this.authenticate(id, secretHash);
    if (!identity.ok) return identity;
    return ok({ identity: identity.value, hasService: await this.hasService(service, true) });
  }

  async identityOf(credentialId: string): Promise<Result<Identity>> {
    if (!this.#state.db.ready) return tokens.notValid();
    return tokens.identityOfCredential(this.#state.sql, credentialId, Date.now());
  }

  async createToken(
    body: CreateTokenBody,
    secret: NewSecret,
    { actor, idempotency }: Caller,
  ): Promise<Result<Token>> {
    const { sql } = this.#state;
    return this.#state.change(idempotency, (_, now) =>
      body.service !== undefined && sql.service(body.service)?.state !== "live"
        ? services.serviceNotFound(sql, body.service)
        : tokens.createToken(sql, body, secret, actor, now),
    );
  }

  async listTokens(query: ListQuery): Promise<Result<Page<Token>>> {
    return tokens.listTokens(this.#state, query);
  }

  async deleteToken(id: string, { actor }: Pick<Caller, "actor">): Promise<Result<null>> {
    return this.#state.change(undefined, (_, now) => tokens.deleteToken(this.#state.sql, id, actor, now));
  }

  async createSession(params: SessionParams & LogsIn & { kind: SessionKind }): Promise<Result<Session>> {
    return this.#state.change(undefined, (_, now) => sessions.addSession(this.#state.sql, params, now));
  }

  async listSessions(query: ListQuery): Promise<Result<Page<Session>>> {
    return sessions.listSessions(this.#state, query);
  }

  async deleteSession(id: string, { actor }: Pick<Caller, "actor">): Promise<Result<null>> {
    return this.#state.change(
      undefined,
      (_, now) => sessions.endSession(this.#state.sql, id, actor, now),
      sessionNotFound(id),
    );
  }

  async createLoginLink(
    link: LogsIn & { expiresInSeconds: number; secret: NewSecret },
    idempotency?: Idempotency,
  ): Promise<Result<LoginLink>> {
    return this.#state.change(idempotency, (_, now) => sessions.addLoginLink(this.#state.sql, link, now));
  }

  async useLoginLink(link: NewSecret, session: SessionParams): Promise<Result<Session>> {
    return this.#state.change(
      undefined,
      (_, now) => sessions.redeemLoginLink(this.#state.sql, link, session, now),
      sessions.loginLinkNotFound(),
    );
  }

  async createCluster(
    body: CreateClusterBody,
    agent: NewSecret,
    signingSecret: string,
    { actor, idempotency }: Caller,
  ): Promise<Result<Cluster>> {
    const made = { agent, signingSecret };
    const created = this.#state.change(idempotency, (account, now) =>
      clusters.createCluster(this.#state.sql, account, body, made, this.#allowPrivate, actor, now),
    );
    if (created.ok) await syncConfig(this.#ports);
    return created;
  }

  async listClusters(query: ListQuery): Promise<Result<Page<ObservedCluster>>> {
    return clusters.listClusters(this.#ports, query);
  }

  async getCluster(name: string): Promise<Result<ObservedCluster>> {
    return clusters.describeCluster(this.#ports, name);
  }

  async patchCluster(
    name: string,
    patch: PatchClusterBody,
    { actor }: Pick<Caller, "actor">,
  ): Promise<Result<Cluster>> {
    const patched = this.#state.change(undefined, (_, now) =>
      clusters.patchCluster(this.#state.sql, name, patch, this.#allowPrivate, actor, now),
    );
    if (patched.ok) await syncConfig(this.#ports);
    return patched;
  }

  async rotateSecret(name: string, signingSecret: string, { actor, idempotency }: Caller) {
    const rotated = this.#state.change(idempotency, (_, now) =>
      secrets.rotateSecret(this.#state.sql, name, signingSecret, actor, now),
    );
    if (rotated.ok) await syncConfig(this.#ports);
    return rotated;
  }

  async deleteCluster(name: string, { actor }: Pick<Caller, "actor">): Promise<Result<null>> {
    const marked = this.#state.change(undefined, () => clusters.markDeleting(this.#state.sql, name, actor));
    if (!marked.ok) return marked;
    this.#alarm.noLaterThan(Date.now() + syncRetryMs);
    const outcome = await finishDeletion(this.#ports, name, Date.now());
    return outcome.state === "kept" ? clusters.clusterInUse(name, outcome.neededBy) : ok(null);
  }

  async testCluster(name: string): Promise<Result<TestedCluster>> {
    return clusters.testCluster(this.#ports, name);
  }

  async registrationOf(cluster: string): Promise<Result<number>> {
    return this.#state.read(() => clusters.registrationOf(this.#state.sql, cluster));
  }

  async admitRegistration(cluster: string, registration: number): Promise<Result<null>> {
    return this.#state.read(() => clusters.admitRegistration(this.#state.sql, cluster, registration));
  }

  async signedGet(cluster: string, path: string): Promise<Result<SignedGet>> {
    const found = this.#state.read(() => clusters.findCluster(this.#state.sql, cluster));
    return found.ok ? ok(await clusters.signedGet(found.value, path, Date.now())) : found;
  }

  async servicesOfCluster(cluster: string, registration: number, after: string) {
    return this.#state.read(() => clusters.servicesOfCluster(this.#state.sql, cluster, registration, after));
  }

  async setClusterDraining(cluster: string, registration: number, draining: boolean): Promise<Result<null>> {
    const set = this.#state.change(undefined, (_, now) =>
      clusters.setClusterDraining(this.#state.sql, cluster, registration, draining, now),
    );
    if (set.ok) await syncConfig(this.#ports);
    return set;
  }

  async setClusterFence(cluster: string, registration: number, fence: Fence): Promise<Result<null>> {
    const set = this.#state.change(undefined, () =>
      clusters.setClusterFence(this.#state.sql, cluster, registration, fence),
    );
    if (set.ok) await syncConfig(this.#ports);
    return set;
  }

  createService(body: NewServiceBody, caller: Caller): Promise<Result<ServiceDescription>> {
    return services.createService(this.#ports, body, caller);
  }

  async listServices(query: SearchQuery): Promise<Result<Page<ListedService>>> {
    return services.listServices(this.#state, query);
  }

  async serviceNames(after = ""): Promise<Result<string[]>> {
    return this.#state.read(() => ok(services.serviceNamesAfter(this.#state.sql, after)));
  }

  async hasService(name: string, orHad = false): Promise<boolean> {
    return this.#state.db.ready && services.hasService(this.#state.sql, name, orHad);
  }

  async nearestServices(name: string): Promise<Result<string[]>> {
    return this.#state.read(() => ok(services.nearestServices(this.#state.sql, name)));
  }

  deleteService(name: string, { actor }: Pick<Caller, "actor">): Promise<Result<null>> {
    return services.deleteService(this.#ports, name, actor);
  }

  async describe(): Promise<Result<AccountView>> {
    await quotas.countServices(this.#ports);
    return quotas.accountView(this.#ports);
  }

  async setQuotas(limits: PatchAccountBody["quotas"]): Promise<Result<AccountView>> {
    const set = await quotas.setQuotas(this.#ports, limits);
    return set.ok ? this.describe() : set;
  }

  async claimHoldings(service: string, holdings: Holdings, isForced: boolean): Promise<Result<null>> {
    if (!isForced) await quotas.countServices(this.#ports);
    return this.#state.change(undefined, () =>
      quotas.claimHoldings(this.#state.sql, service, holdings, isForced),
    );
  }

  async config(): Promise<Result<AccountConfig>> {
    return this.#state.read((account) => ok(accountConfig(account, this.#state.sql.clusters())));
  }

  async recordEvents(events: AccountEvent[]): Promise<Result<null>> {
    return this.#state.change(undefined, () => recordEvents(this.#state.sql, events));
  }

  async listEvents(query: EventQuery, allowed?: readonly string[]) {
    return this.#state.read(() => listEvents(this.#state.sql, { ...query, allowedEnvironments: allowed }));
  }

  override async fetch(request: Request): Promise<Response> {
    return this.#events.follow(request);
  }

  override async webSocketClose(socket: WebSocket): Promise<void> {
    followerLeft(socket);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    followerLeft(socket);
  }

  override async alarm(): Promise<void> {
    this.#alarm.fired();
    this.#events.trim(Date.now());
    this.#expiries.sweep(Date.now());
    await catchUp(this.#ports);
    this.#alarm.noLaterThan(await forgetDeleted(this.#ports));
  }
}
