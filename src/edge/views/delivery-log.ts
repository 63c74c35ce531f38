import { ok, type Result } from "../../domain/result.ts";
import type { Env } from "../../objects/env.ts";
import { accountStub, clusterStub } from "../../objects/stubs.ts";

/** The object that keeps a cluster's deliveries; `cluster_not_found`, without waking one, where there is no such cluster. */
export async function deliveryLog(
  env: Env,
  account: string,
  cluster: string,
): Promise<Result<ReturnType<typeof clusterStub>>> {
  const registration = await accountStub(env, account).registrationOf(cluster);
  return registration.ok ? ok(clusterStub(env, account, cluster)) : registration;
}
