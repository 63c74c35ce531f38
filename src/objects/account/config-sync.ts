import type { Result } from "../../domain/result.ts";
import type { AccountConfig, Actor } from "../contract.ts";
import type { Database } from "../database.ts";
import type { AccountSql } from "./account.sql.ts";
import { recordEvent } from "./events.ts";
import { accountConfig } from "./views.ts";

export interface ConfigSyncPorts {
  db: Database;
  sql: AccountSql;
  /** Hands a configuration to one service. */
  apply(service: string, config: AccountConfig): Promise<Result<null>>;
}

export interface SyncOutcome {
  /** Services that need a cluster which the configuration drops. */
  refusedBy: string[];
  /** Services that could not be reached; to be tried again. */
  unreached: string[];
}

/** Brings every service that is behind up to the account's present configuration. */
export async function syncConfig({ sql, apply }: ConfigSyncPorts): Promise<SyncOutcome> {
  const account = sql.account();
  if (!account) return { refusedBy: [], unreached: [] };
  const config = accountConfig(account, sql.clusters());
  const outcome: SyncOutcome = { refusedBy: [], unreached: [] };
  await Promise.all(
    sql.servicesBehind().map(async ({ name }) => {
      try {
        const applied = await apply(name, config);
        if (applied.ok) sql.setServiceConfigVersion(name, config.version);
        else outcome.refusedBy.push(name);
      } catch {
        outcome.unreached.push(name);
      }
    }),
  );
  return outcome;
}

/**
 * Finishes the deletion of a cluster: it goes once every service has let go of it, and comes back when one
 * needs it. Until every service was asked it stays as it is, taken for gone, and this is to be called again.
 */
export async function finishDeletion(
  ports: ConfigSyncPorts,
  cluster: string,
  now: number,
): Promise<{ state: "deleted" | "pending" } | { state: "kept"; neededBy: string[] }> {
  const { db, sql } = ports;
  const outcome = await syncConfig(ports);
  if (outcome.refusedBy.length > 0) {
    db.transaction(() => {
      sql.setDeleting(cluster, false);
      sql.bumpConfigVersion();
    });
    await syncConfig(ports);
    return { state: "kept", neededBy: outcome.refusedBy.sort() };
  }
  if (outcome.unreached.length > 0) return { state: "pending" };
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
