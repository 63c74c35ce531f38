import { DurableObject } from "cloudflare:workers";
import {
  clusterHealth,
  type HeartbeatVerdict,
  isAlive,
  isDraining,
  oldestListMs,
  unlistedBackends,
} from "../../domain/backends/lease.ts";
import { over } from "../../domain/deliveries/redelivery.ts";
import { earliest } from "../../domain/deliveries/retry.ts";
import { clusterLostAfterMs, heartbeatVerdictWaitMs, leaseSeconds } from "../../domain/limits.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import { isoTime } from "../../protocol/primitives.ts";
import type { HeartbeatAnswer, HeartbeatBody } from "../../protocol/v3/agent.ts";
import type { ClusterObservation } from "../../protocol/v3/clusters.ts";
import type { DeliveryAttemptView, DeliveryQuery, DeliveryView } from "../../protocol/v3/deliveries.ts";
import type { Page } from "../../protocol/v3/list.ts";
import { Alarm } from "../alarm.ts";
import type { AttemptsTold, ClusterRpc } from "../contract.ts";
import { Database } from "../database.ts";
import type { Env } from "../env.ts";
import { handedOn } from "../rpc.ts";
import { accountStub, directoryStub, serviceStub } from "../stubs.ts";
import { type AgentList, Agents, agentView, listByService, snapshotOf } from "./agents.ts";
import { type ClusterRow, clusterMigrations, clusterSql } from "./cluster.sql.ts";
import { attemptView, DeliveryLog } from "./deliveries.ts";
import { inTime } from "./in-time.ts";
import { lostEvent } from "./lost-event.ts";
import { ServicesAsked } from "./services.ts";

const retryMs = 2_000;

type ClusterName = Pick<ClusterRow, "account" | "name">;
type Verdict = Pick<HeartbeatVerdict, "terminate" | "unknown">;

/** The liveness of one cluster: its agents' heartbeats, and what each says that it runs. */
export class Cluster extends DurableObject<Env> implements ClusterRpc {
  readonly #db = new Database(this.ctx.storage, clusterMigrations);
  readonly #sql = clusterSql(this.#db);
  readonly #alarm = new Alarm(this.ctx);
  readonly #agents = new Agents(this.#sql);
  readonly #deliveries = new DeliveryLog(this.#db);
  readonly #services = new ServicesAsked({
    lookup: async (code) => {
      const owner = await inTime(directoryStub(this.env, code).lookup(code), heartbeatVerdictWaitMs);
      return owner?.account === this.#sql.cluster()?.account ? (owner?.service ?? null) : null;
    },
    everyService: async () => {
      const row = this.#sql.cluster();
      return row ? inTime(this.#servicesOf(row), heartbeatVerdictWaitMs) : [];
    },
  });
  #telling: Promise<void> | null = null;

  /**
   * Every heartbeat that is written is answered with the lease, also where a service could not be asked: the lease says
   * that the agent was heard, and one service's trouble must not have the backends of all others fenced. What that
   * service would have ended is ended by a later heartbeat.
   */
  async heartbeat(
    account: string,
    cluster: string,
    registration: number,
    body: HeartbeatBody,
  ): Promise<Result<HeartbeatAnswer>> {
    if (body.cluster !== cluster) {
      return fail(
        "forbidden",
        `this agent token belongs to cluster \`${cluster}\`, not to \`${body.cluster}\``,
      );
    }
    const now = Date.now();
    const list = listByService(body.backends);
    if (!this.#enter({ account, name: cluster, registration }, body, list, now)) {
      return fail(
        "unauthorized",
        `cluster \`${cluster}\` was registered anew: this token is of the one before`,
      );
    }
    this.#alarm.noLaterThan(now + clusterLostAfterMs);
    const [{ terminate, unknown }] = await Promise.all([
      this.#judge({ account, name: cluster }, list, now),
      this.#tellInTime(),
    ]);
    return ok({ lease_seconds: leaseSeconds, terminate, unknown });
  }

  async unheard(
    registration: number,
    code: string,
    expected: { id: string; expectedForMs: number }[],
  ): Promise<string[]> {
    const row = this.#registered(registration);
    // What was started since the cluster was lost is not judged before it is heard again.
    if (!row || row.lost) return [];
    const now = Date.now();
    return unlistedBackends(expected, this.#agents.listing(code, now), now);
  }

  async observe(registration: number): Promise<ClusterObservation> {
    const row = this.#registered(registration);
    if (!row) return { health: "unknown", agents: [] };
    const now = Date.now();
    const agents = this.#sql.agents();
    const lastAt = Math.max(row.last_heartbeat_at, ...agents.map((agent) => agent.last_heartbeat_at));
    return {
      health: clusterHealth(lastAt, agents.map(snapshotOf), now),
      last_heartbeat_at: isoTime(lastAt),
      agents: agents.filter((agent) => isAlive(snapshotOf(agent), now)).map(agentView),
    };
  }

  async recordAttempts(told: AttemptsTold): Promise<void> {
    if (!this.#db.ready) this.#db.migrate();
    const now = Date.now();
    this.#deliveries.record(told, now);
    this.#alarm.noLaterThan(this.#deliveries.dueAt(now));
  }

  async listDeliveries(
    account: string,
    cluster: string,
    query: DeliveryQuery,
  ): Promise<Result<Page<DeliveryView>>> {
    const registration = await accountStub(this.env, account).registrationOf(cluster);
    if (!registration.ok) return handedOn<Page<DeliveryView>>(registration);
    return this.#deliveries.page(registration.value, query, Date.now());
  }

  async redeliver(account: string, cluster: string, id: string): Promise<Result<DeliveryAttemptView>> {
    const registered = await accountStub(this.env, account).registrationOf(cluster);
    if (!registered.ok) return handedOn<DeliveryAttemptView>(registered);
    const registration = registered.value;
    const found = this.#deliveries.find(registration, id, Date.now());
    if (!found) {
      return fail(
        "delivery_not_found",
        `delivery \`${id.slice(0, 80)}\` not found; the deliveries of cluster \`${cluster}\` list those that are kept`,
      );
    }
    const { service, attempt, announced } = found.last;
    if (service === null) return over("a ping is of no later use; test the cluster again");
    const wish = { cluster, registration, id, attempts: attempt, ...(announced && { announced }) };
    const answered = await serviceStub(this.env, account, service).redeliver(wish);
    return answered.ok ? ok(attemptView(answered.value)) : handedOn<DeliveryAttemptView>(answered);
  }

  override async alarm(): Promise<void> {
    this.#alarm.fired();
    try {
      await this.#settle();
    } catch {
      this.#alarm.noLaterThan(Date.now() + retryMs);
    }
    const alive = this.#agents.alive(Date.now());
    this.#alarm.noLaterThan(
      earliest([
        ...alive.map((agent) => agent.lastHeartbeatAt + clusterLostAfterMs),
        this.#deliveries.prune(Date.now()),
      ]),
    );
  }

  /** Writes a heartbeat. @returns false for one of an earlier registration */
  #enter(
    registered: Pick<ClusterRow, "account" | "name" | "registration">,
    body: HeartbeatBody,
    list: AgentList,
    now: number,
  ): boolean {
    if (!this.#db.ready) this.#db.migrate();
    return this.#db.transaction(() => {
      const row = this.#sql.cluster();
      if (row && row.registration > registered.registration) return false;
      if (row?.registration !== registered.registration) {
        this.#forget();
        this.#sql.insertCluster({ ...registered, last_heartbeat_at: now });
      } else if (row.lost) this.#sql.setLost(false);
      if (this.#agents.heard(body, list, now)) this.#services.agentsChanged();
      return true;
    });
  }

  /** Acts on agents that are not alive any more: gives up what they ran, and the cluster with the last of them. */
  async #settle(): Promise<void> {
    const row = this.#sql.cluster();
    if (!row) return;
    const now = Date.now();
    const hasChanged = this.#db.transaction(() => this.#agents.forgetDead(now));
    if (hasChanged) this.#services.agentsChanged();
    if (!row.lost && this.#agents.alive(now).length === 0) await this.#giveUp(row);
    else if (hasChanged) await this.#judge(row, new Map(), now);
    await this.#tell();
  }

  /** Tells every service that the cluster is lost. Rejects where one did not hear it: then all are to be told again. */
  async #giveUp(lost: ClusterRow): Promise<void> {
    const services = await this.#servicesOf(lost);
    const event = await lostEvent(lost);
    const isStillLost = () =>
      this.#registered(lost.registration) !== undefined && this.#agents.alive(Date.now()).length === 0;
    // A heartbeat may have come meanwhile: then its agent is told what was given up.
    if (!isStillLost()) return;
    const told = await Promise.allSettled([
      accountStub(this.env, lost.account).recordEvents([event]),
      ...services.map(({ service }) =>
        serviceStub(this.env, lost.account, service).clusterLost(lost.name, lost.registration),
      ),
    ]);
    if (told.some(({ status }) => status === "rejected")) throw new Error("somebody was not told");
    if (isStillLost()) this.#sql.setLost(true);
  }

  /** Asks the services what becomes of what an agent lists (an empty list speaks for none), and what the cluster lost. */
  async #judge(cluster: ClusterName, list: AgentList, now: number): Promise<Verdict> {
    const { services, strangers } = await this.#services.toAsk([...list.keys()], now);
    const verdicts = await Promise.all(
      [...services].map(async ([code, service]): Promise<Verdict> => {
        try {
          return await inTime(this.#askService(cluster, code, service, list), heartbeatVerdictWaitMs);
        } catch {
          this.#services.answered(code, null);
          return { terminate: [], unknown: [] };
        }
      }),
    );
    const strange = [...strangers].flatMap((code) =>
      (list.get(code) ?? []).flatMap(({ id, status }) => (status === "terminated" ? [] : [id])),
    );
    return {
      terminate: [...strange, ...verdicts.flatMap(({ terminate }) => terminate)],
      unknown: [...strange, ...verdicts.flatMap(({ unknown }) => unknown)],
    };
  }

  async #askService({ account, name }: ClusterName, code: string, service: string, list: AgentList) {
    // Read when it is used: a later heartbeat of the same agent may have come while services were looked up.
    const alive = this.#agents.alive(Date.now());
    const others = alive.flatMap(({ listed }) => (listed === null || listed === list ? [] : [listed]));
    const answer = await serviceStub(this.env, account, service).reconcile(
      name,
      [...(list.get(code) ?? [])],
      {
        elsewhere: others.flatMap((other) => (other.get(code) ?? []).map(({ id }) => id)),
        oldestMs: oldestListMs(alive, Date.now()),
      },
    );
    // Whoever asks takes it for a service that could not be asked.
    if (!answer.ok) throw new Error(`service \`${service}\` judged nothing: ${answer.error.message}`);
    this.#services.answered(code, answer.value.live);
    return answer.value;
  }

  /** The services of a registration's account. Where the registration is no more, it is forgotten here too. */
  async #servicesOf({ account, name, registration }: ClusterRow) {
    const services = await accountStub(this.env, account).servicesOfCluster(name, registration);
    if (services.ok) return services.value;
    if (this.#registered(registration)) this.#db.transaction(() => this.#forget());
    return [];
  }

  /** A heartbeat does not wait long for what its alarm repeats. */
  async #tellInTime(): Promise<void> {
    try {
      await inTime(this.#tell(), heartbeatVerdictWaitMs);
    } catch {
      this.#alarm.noLaterThan(Date.now() + retryMs);
    }
  }

  /** Tells the account whether the cluster takes new backends, one call at a time. Rejects where it was not heard. */
  async #tell(): Promise<void> {
    this.#telling ??= this.#tellAccount().finally(() => {
      this.#telling = null;
    });
    return this.#telling;
  }

  async #tellAccount(): Promise<void> {
    for (;;) {
      const row = this.#sql.cluster();
      const now = Date.now();
      const draining = isDraining(this.#agents.alive(now), now);
      if (!row || draining === (row.told_draining === 1)) return;
      const { account, name, registration } = row;
      await accountStub(this.env, account).setClusterDraining(name, registration, draining);
      this.#sql.setToldDraining(registration, draining);
    }
  }

  #registered(registration: number): ClusterRow | undefined {
    const row = this.#db.ready ? this.#sql.cluster() : undefined;
    return row?.registration === registration ? row : undefined;
  }

  #forget(): void {
    this.#sql.deleteCluster();
    this.#agents.forgetLists();
  }
}
