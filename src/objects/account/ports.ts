import type { Alarm } from "../alarm.ts";
import type { ClusterRpc, DirectoryRpc, PlacedService, RegistryRpc, ServiceRpc } from "../contract.ts";
import type { Env } from "../env.ts";
import type { FailureLog } from "../failures/failure-log.ts";
import { clusterStub, directoryStub, newServiceStub, registryStub, serviceStub } from "../stubs.ts";
import { SendQueue } from "../webhooks/send-queue.ts";
import type { AccountState } from "./state.ts";

/** What an Account object's functions work on, and how they reach the objects outside. */
export interface AccountPorts {
  state: AccountState;
  alarm: Pick<Alarm, "noLaterThan">;
  failures: FailureLog;
  /** Whose turn it is to be sent a ping. */
  turns: Pick<SendQueue, "turn">;
  cluster(account: string, name: string): Pick<ClusterRpc, "observe" | "recordAttempts" | "forget">;
  service(
    account: string,
    name: string,
  ): Pick<ServiceRpc, "applyAccountConfig" | "remove" | "holdings" | "retire" | "forget">;
  /** One that may have no object yet. */
  newService(service: PlacedService): Pick<ServiceRpc, "initialise">;
  registry(account: string): Pick<RegistryRpc, "removeRepository" | "untaggedBytes" | "setUntaggedLimit">;
  directory(code: string): Pick<DirectoryRpc, "claim" | "release">;
}

export function accountPorts(
  env: Env,
  own: Pick<AccountPorts, "state" | "alarm" | "failures">,
): AccountPorts {
  return {
    ...own,
    turns: new SendQueue(
      () => Date.now(),
      () => own.state.sql.clusters().length > 1,
    ),
    cluster: (account, name) => clusterStub(env, account, name),
    service: (account, name) => serviceStub(env, account, name),
    newService: (service) => newServiceStub(env, service),
    registry: (account) => registryStub(env, account),
    directory: (code) => directoryStub(env, code),
  };
}
