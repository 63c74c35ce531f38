import { endedBackendsKeptMs } from "../../../src/domain/limits.ts";
import production, {
  Account as ProductionAccount,
  Backends as ProductionBackends,
  Cluster as ProductionCluster,
  Directory as ProductionDirectory,
  Service as ProductionService,
} from "../../../src/edge/worker.ts";
import type { Env } from "../../../src/objects/env.ts";
import type { Forgotten } from "../counts.ts";
import { counted, countWorkerRequest, meterCalls, meterInstance, meterStorage } from "./meter.ts";

/*
 * The production Worker with a meter around its objects: subclasses under the same names, which count what they
 * use, and paths of the bench's own: `GET /bench/counts`, `POST /bench/evict` and `POST /bench/forget`.
 */

/** Not metered: no scenario pushes images or logs in. */
export { Login, Registry } from "../../../src/edge/worker.ts";

/** The objects that this isolate has seen, by their ids. */
const seen = new Map<string, keyof MeteredNamespaces>();

export class Account extends ProductionAccount {
  constructor(ctx: DurableObjectState, env: Env) {
    super(meterStorage(ctx, "Account"), env);
    remember(this, ctx, "ACCOUNT");
  }

  /** Forgets what is in memory, as the platform does with an object that has been idle for some time. */
  async evict(): Promise<void> {
    await evict(this.ctx);
  }
}
meterCalls(Account.prototype, ProductionAccount.prototype, "Account");

export class Service extends ProductionService {
  constructor(ctx: DurableObjectState, env: Env) {
    super(meterStorage(ctx, "Service"), env);
    remember(this, ctx, "SERVICE");
  }

  async evict(): Promise<void> {
    await evict(this.ctx);
  }
}
meterCalls(Service.prototype, ProductionService.prototype, "Service");

export class Backends extends ProductionBackends {
  constructor(ctx: DurableObjectState, env: Env) {
    super(meterStorage(ctx, "Backends"), env);
    remember(this, ctx, "BACKENDS");
  }

  async evict(): Promise<void> {
    await evict(this.ctx);
  }

  /** Has those that ended first be past their keeping, at most so many, and the alarm ring. */
  async forgetEnded(atMost: number): Promise<Forgotten> {
    const { sql } = this.ctx.storage;
    const first = "SELECT id FROM backends WHERE ended_at IS NOT NULL ORDER BY ended_at LIMIT ?";
    const aged = `UPDATE backends SET ended_at = ended_at - ? WHERE id IN (${first})`;
    sql.exec(aged, endedBackendsKeptMs, atMost).toArray();
    const kept = () => Number(sql.exec("SELECT count(*) AS count FROM backends").one().count);
    const before = kept();
    // A statement is counted after it.
    await Promise.resolve();
    const from = counted(Date.now());
    await this.alarm();
    await Promise.resolve();
    const to = counted(Date.now());
    const used = (by: "rowsRead" | "rowsWritten") => total(to[by]) - total(from[by]);
    const after = kept();
    return {
      kept: after,
      forgotten: before - after,
      rowsRead: used("rowsRead"),
      rowsWritten: used("rowsWritten"),
    };
  }
}
meterCalls(Backends.prototype, ProductionBackends.prototype, "Backends");

export class Cluster extends ProductionCluster {
  constructor(ctx: DurableObjectState, env: Env) {
    super(meterStorage(ctx, "Cluster"), env);
    remember(this, ctx, "CLUSTER");
  }

  async evict(): Promise<void> {
    await evict(this.ctx);
  }
}
meterCalls(Cluster.prototype, ProductionCluster.prototype, "Cluster");

export class Directory extends ProductionDirectory {
  constructor(ctx: DurableObjectState, env: Env) {
    super(meterStorage(ctx, "Directory"), env);
    remember(this, ctx, "DIRECTORY");
  }

  async evict(): Promise<void> {
    await evict(this.ctx);
  }
}
meterCalls(Directory.prototype, ProductionDirectory.prototype, "Directory");

interface MeteredNamespaces {
  ACCOUNT: DurableObjectNamespace<Account>;
  SERVICE: DurableObjectNamespace<Service>;
  BACKENDS: DurableObjectNamespace<Backends>;
  CLUSTER: DurableObjectNamespace<Cluster>;
  DIRECTORY: DurableObjectNamespace<Directory>;
}

function remember(instance: object, ctx: DurableObjectState, binding: keyof MeteredNamespaces): void {
  const id = ctx.id.toString();
  seen.set(id, binding);
  meterInstance(instance, id);
}

async function evict(ctx: DurableObjectState): Promise<void> {
  await ctx.storage.sync();
  ctx.abort("evicted by the bench");
}

/** Forgets ended backends of one of the shards that were seen. */
async function forgetEnded(env: MeteredNamespaces, atMost: number): Promise<Response> {
  const [id] = [...seen].find(([, binding]) => binding === "BACKENDS") ?? [];
  if (id === undefined) throw new Error("no shard was seen");
  return Response.json(await env.BACKENDS.get(env.BACKENDS.idFromString(id)).forgetEnded(atMost));
}

function total(rows: Record<string, number>): number {
  return Object.values(rows).reduce((sum, each) => sum + each, 0);
}

async function evictAll(env: MeteredNamespaces): Promise<Response> {
  for (const [id, binding] of seen) {
    const namespace = env[binding];
    // The call fails with the object that answers it.
    await namespace
      .get(namespace.idFromString(id))
      .evict()
      .catch(() => null);
  }
  const evicted = seen.size;
  seen.clear();
  return Response.json({ evicted });
}

export default {
  async fetch(request: Request, env: Env & MeteredNamespaces): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/bench/counts") return Response.json(counted(Date.now()));
    if (pathname === "/bench/evict") return evictAll(env);
    if (pathname === "/bench/forget") return forgetEnded(env, Number(await request.text()));
    countWorkerRequest();
    return production.fetch(request, env);
  },
};
