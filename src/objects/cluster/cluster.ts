import { DurableObject } from "cloudflare:workers";
import { serviceCodeLength } from "../../domain/ids.ts";
import { isClusterLost, type ReportedBackend } from "../../domain/lease.ts";
import { clusterLostAfterMs, leaseSeconds } from "../../domain/limits.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { HeartbeatAnswer, HeartbeatBody } from "../../protocol/v3/agent.ts";
import type { ClusterRpc } from "../contract.ts";
import { Alarm, Database } from "../database.ts";
import type { Env } from "../env.ts";
import { accountStub, directoryStub, serviceStub } from "../stubs.ts";
import { clusterMigrations, clusterSql } from "./cluster.sql.ts";

const retryLostMs = 2_000;

/** The liveness of one cluster: its agent's heartbeats, and what each says that it runs. */
export class Cluster extends DurableObject<Env> implements ClusterRpc {
  readonly #db = new Database(this.ctx.storage, clusterMigrations);
  readonly #sql = clusterSql(this.#db);
  readonly #alarm = new Alarm(this.ctx);
  /** Services by code. A code's service never changes. */
  readonly #services = new Map<string, string>();
  #agentId: string | null = null;
  /**
   * After this object awoke, or an agent took over from another, backends may be gone that no heartbeat has listed
   * here. They are missed once they are old enough: until then every service is asked. Milliseconds since the epoch.
   */
  #askEveryServiceUntil = 0;

  async heartbeat(account: string, cluster: string, body: HeartbeatBody): Promise<Result<HeartbeatAnswer>> {
    if (body.cluster !== cluster) {
      return fail(
        "forbidden",
        `this agent token belongs to cluster \`${cluster}\`, not to \`${body.cluster}\``,
      );
    }
    if (!this.#db.ready) this.#db.migrate();
    const now = Date.now();
    this.#sql.putHeartbeat({ account, name: cluster, agent_id: body.agent_id, last_heartbeat_at: now });
    this.#alarm.noLaterThan(now + clusterLostAfterMs);

    if (body.agent_id !== this.#agentId) {
      this.#agentId = body.agent_id;
      this.#askEveryServiceUntil = now + clusterLostAfterMs;
    }

    const byCode = Map.groupBy(body.backends, ({ id }) => id.slice(0, serviceCodeLength));
    const found = await Promise.all(
      [...byCode].map(async ([code, reported]) => ({
        service: await this.#serviceOf(account, code),
        reported,
      })),
    );
    const asked = new Map<string, ReportedBackend[]>();
    // Services that had backends here are asked again when none is left: that may be a loss.
    for (const service of this.#services.values()) asked.set(service, []);
    for (const service of await this.#everyService(account, now)) asked.set(service, []);
    for (const { service, reported } of found) if (service !== null) asked.set(service, reported);
    const verdicts = await Promise.all(
      [...asked].map(([service, reported]) => this.#reconcile(account, cluster, service, reported)),
    );
    const strangers = found.flatMap(({ service, reported }) =>
      service === null ? reported.map(({ id }) => id) : [],
    );
    return ok({
      lease_seconds: leaseSeconds,
      terminate: [...strangers, ...verdicts.flatMap(({ terminate }) => terminate)],
      unknown: [...strangers, ...verdicts.flatMap(({ unknown }) => unknown)],
    });
  }

  override async alarm(): Promise<void> {
    this.#alarm.fired();
    const row = this.#sql.cluster();
    if (!row || row.lost) return;
    if (!isClusterLost(row.last_heartbeat_at, Date.now())) {
      this.#alarm.noLaterThan(row.last_heartbeat_at + clusterLostAfterMs);
      return;
    }
    try {
      const services = await accountStub(this.env, row.account).servicesWithBackends();
      for (const service of services.ok ? services.value : []) {
        await serviceStub(this.env, row.account, service).clusterLost(row.name);
      }
      // A heartbeat may have come meanwhile: then what it ran is told to stop by the next one.
      if (this.#sql.cluster()?.last_heartbeat_at === row.last_heartbeat_at) this.#sql.setLost();
    } catch {
      this.#alarm.noLaterThan(Date.now() + retryLostMs);
    }
  }

  async #reconcile(
    account: string,
    cluster: string,
    service: string,
    reported: ReportedBackend[],
  ): Promise<{ terminate: string[]; unknown: string[] }> {
    const verdict = await serviceStub(this.env, account, service).reconcile(cluster, reported);
    return verdict.ok ? verdict.value : { terminate: [], unknown: [] };
  }

  async #everyService(account: string, now: number): Promise<string[]> {
    if (now >= this.#askEveryServiceUntil) return [];
    const names = await accountStub(this.env, account).servicesWithBackends();
    return names.ok ? names.value : [];
  }

  async #serviceOf(account: string, code: string): Promise<string | null> {
    const known = this.#services.get(code);
    if (known !== undefined) return known;
    const owner = await directoryStub(this.env, code).lookup(code);
    if (owner?.account !== account) return null;
    this.#services.set(code, owner.service);
    return owner.service;
  }
}
