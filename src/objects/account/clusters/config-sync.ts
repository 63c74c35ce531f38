import { fanOutAfter, fanOutBegun, nextOfFanOut } from "../../../domain/fan-out.ts";
import { configTurnsAtOnce, servicesNotifiedAtOnce } from "../../../domain/limits.ts";
import type { ActorName } from "../../contract.ts";
import { recordEvent } from "../events/events.ts";
import type { AccountPorts } from "../ports.ts";
import { dropSpentSecrets, nextEndOfSecrets } from "./secrets.ts";
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

/** Goes through the services that are behind, a bounded number in one run. */
async function applyConfig(ports: SyncPorts): Promise<SyncOutcome> {
  const whole: SyncOutcome = { refusedBy: [], isPending: false };
  for (let turn = 0; turn < configTurnsAtOnce; turn++) {
    const { refusedBy, isPending, hasFailed } = await applyToNext(ports);
    whole.refusedBy.push(...refusedBy.filter((name) => !whole.refusedBy.includes(name)));
    whole.isPending = isPending;
    if (!isPending || hasFailed) break;
  }
  return whole;
}

async function applyToNext({
  state,
  failures,
  service,
}: SyncPorts): Promise<SyncOutcome & { hasFailed: boolean }> {
  const { sql } = state;
  const account = sql.account();
  if (!account) return { refusedBy: [], isPending: false, hasFailed: false };
  const config = accountConfig(account, sql.clusters());
  const behind = sql.servicesBehind().map(({ name }) => name);
  const next = nextOfFanOut(behind, state.sync, servicesNotifiedAtOnce);
  const outcome: Pick<SyncOutcome, "refusedBy"> = { refusedBy: [] };
  const failed: string[] = [];
  await Promise.all(
    next.map(async (name) => {
      const applied = await failures.attempt(`apply the configuration to service ${name}`, async () =>
        service(account.name, name).applyAccountConfig(config),
      );
      if (applied === null) failed.push(name);
      else if (applied.value.ok) sql.setServiceConfigVersion(name, config.version);
      else outcome.refusedBy.push(name);
    }),
  );
  const reached = fanOutAfter(state.sync, next, failed);
  // Once around, the next run begins with the first again.
  const isAround = nextOfFanOut(behind, { after: reached.after, failed: [] }, 1).length === 0;
  state.sync = isAround ? fanOutBegun : reached;
  const hasFailed = failed.length > 0;
  return { refusedBy: outcome.refusedBy, isPending: hasFailed || !isAround, hasFailed };
}

/**
 * Finishes the deletion of a cluster: it goes once every service has let go of it and its object has given its storage
 * back, and comes back when a service needs it. Until all have answered it stays as it is, taken for gone, and this is
 * called again by the alarm.
 */
export async function finishDeletion(
  ports: SyncPorts & Pick<AccountPorts, "cluster">,
  cluster: string,
  now: number,
): Promise<{ state: "deleted" | "pending" } | { state: "kept"; neededBy: string[] }> {
  const { db, sql } = ports.state;
  const registration = sql.cluster(cluster)?.registration;
  // The request and the alarm may both get here, and the name may be another's when one of them has waited.
  const isDeleting = () => {
    const row = sql.cluster(cluster);
    return row?.deleting === 1 && row.registration === registration;
  };
  const outcome = await applyConfig(ports);
  if (outcome.refusedBy.length > 0) {
    if (isDeleting()) {
      db.transaction(() => {
        sql.setDeleting(cluster, false);
        sql.bumpConfigVersion();
      });
      await applyConfig(ports);
    }
    return { state: "kept", neededBy: outcome.refusedBy.sort() };
  }
  if (outcome.isPending || registration === undefined) return { state: "pending" };
  // Before the row goes: nobody would know of what is left.
  const forgotten = await ports.failures.attempt(`forget what is kept of cluster ${cluster}`, async () => {
    const account = sql.account();
    if (account) await ports.cluster(account.name, cluster).forget(registration);
  });
  if (!forgotten || !isDeleting()) return { state: "pending" };
  db.transaction(() => {
    if (sql.account()?.default_cluster === cluster) sql.setDefaultCluster(null);
    const by = sql.deletedBy(cluster);
    const actor: ActorName | null = by === null ? null : JSON.parse(by);
    sql.deleteTokensOfCluster(cluster);
    sql.deleteCluster(cluster);
    recordEvent(sql, { type: "cluster.deleted", actor, cluster }, now);
  });
  return { state: "deleted" };
}

/**
 * The alarm's work: drops secrets that are over, goes on with what was begun, and has the object wake where a deletion is
 * still pending.
 */
export async function catchUp(ports: Parameters<typeof syncConfig>[0]): Promise<void> {
  const { db, sql } = ports.state;
  db.transaction(() => dropSpentSecrets(sql, Date.now()));
  for (const { name, deleting } of sql.clusters()) {
    if (deleting) await finishDeletion(ports, name, Date.now());
  }
  await syncConfig(ports);
  if (sql.clusters().some(({ deleting }) => deleting)) ports.alarm.noLaterThan(Date.now() + syncRetryMs);
}
