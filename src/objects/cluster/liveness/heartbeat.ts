import { type HeartbeatVerdict, oldestListMs } from "../../../domain/backends/lease.ts";
import { heartbeatVerdictWaitMs } from "../../../domain/limits.ts";
import type { HeartbeatBody } from "../../../protocol/v3/agent.ts";
import { inTime } from "../../failures/in-time.ts";
import type { ClusterRow } from "../cluster.sql.ts";
import type { ClusterPorts } from "../ports.ts";
import type { AgentList } from "./agents.ts";

export type Verdict = Pick<HeartbeatVerdict, "terminate" | "unknown">;

type ClusterName = Pick<ClusterRow, "account" | "name">;

/** Writes a heartbeat. @returns false for one of an earlier registration */
export function enterHeartbeat(
  { state, services }: Pick<ClusterPorts, "state" | "services">,
  registered: Pick<ClusterRow, "account" | "name" | "registration">,
  body: HeartbeatBody,
  list: AgentList,
  now: number,
): boolean {
  const { db, sql, agents } = state;
  if (!db.ready) db.migrate();
  return db.transaction(() => {
    const row = sql.cluster();
    if (row && row.registration > registered.registration) return false;
    if (row?.registration !== registered.registration) {
      state.forget();
      sql.insertCluster({ ...registered, last_heartbeat_at: now });
    } else if (row.lost) sql.setLost(false);
    if (agents.enter(body, list, now)) services.agentsChanged();
    return true;
  });
}

/**
 * Has the services judge what an agent lists (an empty list speaks for none), and what the cluster lost. A service that
 * gives no verdict ends nothing; the next heartbeat requests another.
 */
export async function judgeList(
  ports: ClusterPorts,
  cluster: ClusterName,
  list: AgentList,
  now: number,
): Promise<Verdict> {
  const { services, strangers } = await ports.services.due([...list.keys()], now);
  const verdicts = await Promise.all(
    [...services].map(([code, service]) => verdictOf(ports, cluster, code, service, list)),
  );
  const strange = [...strangers].flatMap((code) =>
    (list.get(code) ?? []).flatMap(({ id, status }) => (status === "terminated" ? [] : [id])),
  );
  return {
    terminate: [...strange, ...verdicts.flatMap(({ terminate }) => terminate)],
    unknown: [...strange, ...verdicts.flatMap(({ unknown }) => unknown)],
  };
}

/** One service's verdict, which ends nothing where the service could not be reached or failed. */
async function verdictOf(
  { state, services, failures, service }: ClusterPorts,
  { account, name }: ClusterName,
  code: string,
  serviceName: string,
  list: AgentList,
): Promise<Verdict> {
  // Read when it is used: a later heartbeat of the same agent may have come while services were looked up.
  const alive = state.agents.alive(Date.now());
  const others = alive.flatMap(({ listed }) => (listed === null || listed === list ? [] : [listed]));
  const verdict = await failures.attemptResult(`reconcile with service ${serviceName}`, () =>
    inTime(
      service(account, serviceName).reconcile(name, [...(list.get(code) ?? [])], {
        elsewhere: others.flatMap((other) => (other.get(code) ?? []).map(({ id }) => id)),
        oldestMs: oldestListMs(alive, Date.now()),
      }),
      heartbeatVerdictWaitMs,
    ),
  );
  services.reconciled(code, verdict?.value.live ?? null);
  return verdict?.value ?? { terminate: [], unknown: [] };
}
