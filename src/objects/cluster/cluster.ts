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

    const byCode = new Map<string, ReportedBackend[]>();
    // Services that had backends here are asked again when none is left: that may be a loss.
    for (const code of this.#services.keys()) byCode.set(code, []);
    for (const backend of body.backends) {
      const code = backend.id.slice(0, serviceCodeLength);
      byCode.set(code, [...(byCode.get(code) ?? []), backend]);
    }
    const verdicts = await Promise.all(
      [...byCode].map(([code, reported]) => this.#reconcile(account, cluster, code, reported)),
    );
    return ok({
      lease_seconds: leaseSeconds,
      terminate: verdicts.flatMap(({ terminate }) => terminate),
      unknown: verdicts.flatMap(({ unknown }) => unknown),
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
      const services = await accountStub(this.env, row.account).serviceNames();
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
    code: string,
    reported: ReportedBackend[],
  ): Promise<{ terminate: string[]; unknown: string[] }> {
    const service = await this.#serviceOf(account, code);
    const ids = reported.map(({ id }) => id);
    if (service === null) return { terminate: ids, unknown: ids };
    const verdict = await serviceStub(this.env, account, service).reconcile(cluster, reported);
    return verdict.ok ? verdict.value : { terminate: [], unknown: [] };
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
