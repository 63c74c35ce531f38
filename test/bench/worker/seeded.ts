import { idAlphabet } from "../../../src/domain/ids.ts";
import production, {
  Account as ProductionAccount,
  Backends as ProductionBackends,
  Service as ProductionService,
} from "../../../src/edge/worker.ts";
import type { Env } from "../../../src/objects/env.ts";
import { type Population, type SeedPlan, seedPlan } from "../scale/population.ts";
import { type Place, seedAccount, seedService, seedShard } from "./seed-objects.ts";

/*
 * The production Worker with objects that can be filled: subclasses under the same names, and `POST /bench/seed`. What is
 * measured runs in a process of its own after that, on the same state.
 */

export { Cluster, Directory, Login, Registry } from "../../../src/edge/worker.ts";

export class Account extends ProductionAccount {
  async seed(place: Place, population: Population, now: number): Promise<void> {
    seedAccount(this.ctx.storage, place, population, now);
    await this.ctx.storage.sync();
  }
}

export class Service extends ProductionService {
  async seed(population: Population, now: number): Promise<Place> {
    const place = seedService(this.ctx.storage, population, now);
    await this.ctx.storage.sync();
    return place;
  }
}

export class Backends extends ProductionBackends {
  async seed(shard: string, place: Place, population: Population, now: number): Promise<void> {
    seedShard(this.ctx.storage, shard, place, population, now);
    await this.ctx.storage.sync();
  }
}

interface SeededNamespaces {
  ACCOUNT: DurableObjectNamespace<Account>;
  SERVICE: DurableObjectNamespace<Service>;
  BACKENDS: DurableObjectNamespace<Backends>;
}

/** @returns the service's code */
async function seed(env: SeededNamespaces, { account, service, population }: SeedPlan): Promise<string> {
  const now = Date.now();
  const { code, cluster } = await env.SERVICE.getByName(`${account}/${service}`).seed(population, now);
  const place = { account, service, code, cluster };
  for (const shard of idAlphabet) {
    await env.BACKENDS.getByName(`${account}/${service}/${shard}`).seed(shard, place, population, now);
  }
  await env.ACCOUNT.getByName(account).seed(place, population, now);
  return code;
}

export default {
  async fetch(request: Request, env: Env & SeededNamespaces): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname !== "/bench/seed") return production.fetch(request, env);
    return Response.json({ code: await seed(env, seedPlan.parse(await request.json())) });
  },
};
