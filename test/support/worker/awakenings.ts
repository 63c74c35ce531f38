import production, { Backends as ProductionBackends } from "../../../src/edge/worker.ts";
import type { Env } from "../../../src/objects/env.ts";

export { Account, Cluster, Directory, Login, Registry, Service } from "../../../src/edge/worker.ts";

/*
 * The production Worker, with shards that can be watched: `GET /test/awakenings` says how often the runtime has put
 * each into memory, and wakes none; `GET /test/followers/<account>/<service>/<backend id>` counts sockets.
 */

/** By shard, since this process began: objects come and go, and their isolate stays. */
const awakenings = new Map<string, number>();

export class Backends extends ProductionBackends {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const shard = ctx.id.toString();
    awakenings.set(shard, (awakenings.get(shard) ?? 0) + 1);
  }

  async followersOf(backendId: string): Promise<number> {
    return this.ctx.getWebSockets(backendId).length;
  }
}

interface WatchedNamespaces {
  BACKENDS: DurableObjectNamespace<Backends>;
}

export default {
  async fetch(request: Request, env: Env & WatchedNamespaces): Promise<Response> {
    const [, test, resource, account = "", service = "", id = ""] = new URL(request.url).pathname.split("/");
    if (test !== "test") return production.fetch(request, env);
    if (resource === "awakenings") return Response.json(Object.fromEntries(awakenings));
    const watched: WatchedNamespaces = env;
    const shard = watched.BACKENDS.getByName(`${account}/${service}/${id.charAt(5)}`);
    return Response.json({ followers: await shard.followersOf(id) });
  },
};
