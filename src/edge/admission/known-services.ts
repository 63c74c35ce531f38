import { BoundedMap } from "../../domain/bounded-map.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub } from "../../objects/stubs.ts";

const rememberedServices = 10_000;

/** The services that accounts are known to have or to have had: there is an object of each, whatever becomes of it. */
export class KnownServices {
  readonly #names = new BoundedMap<true>(rememberedServices);

  has(account: string, service: string): boolean {
    return this.#names.get(`${account}/${service}`) ?? false;
  }

  add(account: string, service: string): void {
    this.#names.set(`${account}/${service}`, true);
  }
}

/**
 * Whether the account has or had the service: without this, whoever names one that never was would make an object of it.
 * Costs a call of the account at the first request of an isolate for a service; where the request is authenticated in the
 * same moment, not even that (`identify`).
 */
export async function checkService(
  env: Env,
  known: KnownServices,
  account: string,
  service: string,
): Promise<Result<null>> {
  if (known.has(account, service)) return ok(null);
  if (!(await accountStub(env, account).hasService(service, true))) {
    return fail("service_not_found", "service not found");
  }
  known.add(account, service);
  return ok(null);
}
