import type { Actor } from "../../contract.ts";
import { recordEvent } from "../events/events.ts";
import type { AccountPorts } from "../ports.ts";
import { nextEndOfSecrets } from "./secrets.ts";
import { accountConfig } from "./views.ts";

export const syncRetryMs = 2_000;

type SyncPorts = Pick<AccountPorts, "state" | "failures" | "service">;

interface SyncOutcome {
  /** Services that need a cluster which the configuration drops. */
  refusedBy: string[];
  /** Whether a service could not be reached or failed, so that this is to be repeated. */
  isPending: boolean;
}

/** Brings every service that is behind up to the account's present configuration, now or by the alarm. */
export async function syncConfig(ports: AccountPorts): Promise<void> {
  const { state, alarm } = ports;
  // Before the calls: they may be cut short, with this object, and services must not go on by what was.
  if (state.sql.servicesBehind().length > 0) alarm.noLaterThan(Date.now() + syncRetryMs);
  const { isPending } = await applyConfig(ports);
  if (isPending) alarm.noLaterThan(Date.now() + syncRetryMs);
  alarm.noLaterThan(nextEndOfSecrets(state.sql));
}

async function applyConfig({ state, failures, service }: SyncPorts): Promise<SyncOutcome> {
  const { sql } = state;
  const account = sql.account();
  if (!account) return { refusedBy: [], isPending: false };
  const config = accountConfig(account, sql.clusters());
  const outcome: SyncOutcome = { refusedBy: [], isPending: false };
  await Promise.all(
    sql.servicesBehind().map(async ({ name }) => {
      const applied = await failures.attempt(`apply the configuration to service ${name}`, async () =>
        service(account.name, name).applyAccountConfig(config),
      );
      if (applied === null) outcome.isPending = true;
      else if (applied.value.ok) sql.setServiceConfigVersion(name, config.version);
      else outcome.refusedBy.push(name);
    }),
  );
  return outcome;
}

/**
 * Finishes the deletion of a cluster: it goes once every service has let go of it, and comes back when one
 * needs it. Until every service has answered it stays as it is, taken for gone, and this is called again by the alarm.
 */
export async function finishDeletion(
  ports: SyncPorts,
  cluster: string,
  now: number,
): Promise<{ state: "deleted" | "pending" } | { state: "kept"; neededBy: string[] }> {
  const { db, sql } = ports.state;
  const outcome = await applyConfig(ports);
  if (outcome.refusedBy.length > 0) {
    db.transaction(() => {
      sql.setDeleting(cluster, false);
      sql.bumpConfigVersion();
    });
    await applyConfig(ports);
    return { state: "kept", neededBy: outcome.refusedBy.sort() };
  }
  if (outcome.isPending) return { state: "pending" };
  db.transaction(() => {
    if (sql.account()?.default_cluster === cluster) sql.setDefaultCluster(null);
    const by = sql.deletedBy(cluster);
    const actor: Actor | null = by === null ? null : JSON.parse(by);
    sql.deleteTokensOfCluster(cluster);
    // The request and the alarm may both get here.
    if (sql.deleteCluster(cluster)) recordEvent(sql, { type: "cluster.deleted", actor, cluster }, now);
  });
  return { state: "deleted" };
}
