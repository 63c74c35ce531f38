import { DurableObject } from "cloudflare:workers";
import { clusterHealth, type ExpectedBackend, unlistedBackends } from "../../domain/backends/lease.ts";
import { nextWatch } from "../../domain/backends/watch.ts";
import { earliest } from "../../domain/deliveries/retry.ts";
import { heartbeatVerdictWaitMs, leaseSeconds } from "../../domain/limits.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import { isoTime } from "../../protocol/primitives.ts";
import type { HeartbeatAnswer, HeartbeatBody } from "../../protocol/v3/agent.ts";
import type { ClusterObservation } from "../../protocol/v3/clusters.ts";
import type { DeliveryAttemptView, DeliveryQuery, DeliveryView } from "../../protocol/v3/deliveries.ts";
import type { Page } from "../../protocol/v3/list.ts";
import { Alarm } from "../alarm.ts";
import type { ClusterRpc, SentAttempts } from "../contract.ts";
import type { Env } from "../env.ts";
import { objectFailures } from "../failures/failure-log.ts";
import { inTime } from "../failures/in-time.ts";
import { handedOn } from "../rpc.ts";
import { accountStub, directoryStub, serviceStub } from "../stubs.ts";
import { redeliver } from "./deliveries/redelivery.ts";
import { AccountReport } from "./liveness/account-report.ts";
import { enterHeartbeat, judgeList } from "./liveness/heartbeat.ts";
import { settleLosses } from "./liveness/losses.ts";
import { ReconciledServices } from "./liveness/services.ts";
import { type ClusterPorts, servicesOf } from "./ports.ts";
import { ClusterState } from "./state.ts";

const retryMs = 2_000;

/** The liveness of one cluster: its agents' heartbeats, and what each says that it runs. */
export class Cluster extends DurableObject<Env> implements ClusterRpc {
  readonly #state = new ClusterState(this.ctx.storage);
  readonly #alarm = new Alarm(this.ctx);
  readonly #failures = objectFailures(this.ctx, "Cluster");
  /** Registrations up to here have ended since this object awoke: what comes of them late must not be kept again. */
  #endedUpTo = -1;
  readonly #ports: ClusterPorts = {
    state: this.#state,
    failures: this.#failures,
    account: (name) => accountStub(this.env, name),
    service: (account, name) => serviceStub(this.env, account, name),
    forget: (registration) => this.forget(registration),
    services: new ReconciledServices(
      {
        lookup: async (code) => {
          const owner = await inTime(directoryStub(this.env, code).lookup(code), heartbeatVerdictWaitMs);
          return owner?.account === this.#state.sql.cluster()?.account ? (owner?.service ?? null) : null;
        },
        servicesAfter: async (name) => {
          const row = this.#state.sql.cluster();
          return row ? inTime(servicesOf(this.#ports, row, name), heartbeatVerdictWaitMs) : [];
        },
      },
      this.#failures,
    ),
  };
  readonly #report = new AccountReport(this.#ports);

  /**
   * Every heartbeat that is written is answered with the lease, also where a service gave no verdict: the lease says that
   * the heartbeat arrived, and one service's trouble must not have the backends of all others fenced. What that service
   * would have ended is ended by a later heartbeat.
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
    const admitted = await this.#admit(account, cluster, registration);
    if (!admitted.ok) return admitted;
    const now = Date.now();
    const entered = enterHeartbeat(this.#ports, { account, name: cluster, registration }, body, now);
    if (!entered.ok) return entered;
    this.#alarm.noLaterThan(this.#nextWatch(now));
    const [{ terminate, unknown }, isReported] = await Promise.all([
      judgeList(this.#ports, { account, name: cluster }, body.agent_id, now),
      this.#report.send(),
    ]);
    if (!isReported) this.#alarm.noLaterThan(Date.now() + retryMs);
    const digest = body.list_digest === entered.value ? { list_digest: entered.value } : {};
    return ok({ lease_seconds: leaseSeconds, terminate, unknown, ...digest });
  }

  async unreported(registration: number, expected: ExpectedBackend[]): Promise<string[]> {
    const row = this.#state.registered(registration);
    // What was started since the cluster was lost is not judged before its next heartbeat.
    if (!row || row.lost) return [];
    const now = Date.now();
    const alive = this.#state.agents.alive(now);
    return unlistedBackends(expected, alive, this.#state.facts(alive, now), now);
  }

  async observe(registration: number): Promise<ClusterObservation> {
    const row = this.#state.registered(registration);
    if (!row) return { health: "unknown", agents: [] };
    const now = Date.now();
    const alive = this.#state.agents.alive(now);
    const lastAt = Math.max(row.last_heartbeat_at, this.#state.sql.agents()[0]?.last_heartbeat_at ?? 0);
    return {
      health: clusterHealth(lastAt, alive, now),
      last_heartbeat_at: isoTime(lastAt),
      fence: this.#state.agents.fence(),
      agents: this.#state.agents.shown(now),
    };
  }

  async forget(registration: number): Promise<void> {
    this.#endedUpTo = Math.max(this.#endedUpTo, registration);
    // The alarm goes with the storage.
    if (await this.#state.clear(registration)) this.#alarm.fired();
  }

  async recordAttempts(sent: SentAttempts): Promise<void> {
    if (!(await this.#admit(sent.account, sent.cluster, sent.registration)).ok) return;
    if (!this.#state.db.ready) this.#state.db.migrate();
    const now = Date.now();
    this.#state.deliveries.record(sent, now);
    this.#alarm.noLaterThan(this.#state.deliveries.dueAt(now));
  }

  async listDeliveries(
    account: string,
    cluster: string,
    query: DeliveryQuery,
  ): Promise<Result<Page<DeliveryView>>> {
    const registration = await accountStub(this.env, account).registrationOf(cluster);
    if (!registration.ok) return handedOn<Page<DeliveryView>>(registration);
    return this.#state.deliveries.page(registration.value, query, Date.now());
  }

  async redeliver(account: string, cluster: string, id: string): Promise<Result<DeliveryAttemptView>> {
    const registration = await accountStub(this.env, account).registrationOf(cluster);
    if (!registration.ok) return handedOn<DeliveryAttemptView>(registration);
    return redeliver(this.#state.deliveries, { cluster, registration: registration.value, id }, (service) =>
      serviceStub(this.env, account, service),
    );
  }

  override async alarm(): Promise<void> {
    this.#alarm.fired();
    if (!this.#state.db.ready) return;
    // The platform drops an alarm that throws too often, and the loss of a cluster must not be missed.
    const settled = await this.#failures.attempt("settle losses", () => settleLosses(this.#ports));
    if (!settled?.value || !(await this.#report.send())) this.#alarm.noLaterThan(Date.now() + retryMs);
    const now = Date.now();
    this.#alarm.noLaterThan(earliest([this.#nextWatch(now), this.#state.deliveries.prune(now)]));
  }

  /**
   * Whether something of a registration may be kept here. The account is asked where nothing of it is: what comes late
   * of a cluster that was deleted would otherwise fill an object that nobody empties again.
   */
  async #admit(account: string, cluster: string, registration: number): Promise<Result<null>> {
    if (this.#state.has(registration)) return ok(null);
    const admitted = await accountStub(this.env, account).admitRegistration(cluster, registration);
    if (!admitted.ok) return handedOn<null>(admitted);
    return registration > this.#endedUpTo ? ok(null) : fail("unauthorized", "this cluster was deleted");
  }

  #nextWatch(now: number): number | null {
    if (!this.#state.db.ready) return null;
    return nextWatch(this.#state.watchAt(now), this.#state.agents.alive(now));
  }
}
