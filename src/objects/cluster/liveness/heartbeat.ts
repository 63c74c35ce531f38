import type { HeartbeatVerdict } from "../../../domain/backends/lease.ts";
import { heartbeatVerdictWaitMs } from "../../../domain/limits.ts";
import type { HeartbeatBody } from "../../../protocol/v3/agent.ts";
import { inTime } from "../../failures/in-time.ts";
import type { ClusterRow } from "../cluster.sql.ts";
import type { ClusterPorts } from "../ports.ts";
import type { AgentList, SentList } from "./agents.ts";

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
      sql.insertCluster({ ...registered, last_heartbeat_at: now, watched_from: now });
    } else {
      if (row.lost || row.loss !== null) sql.setLost(false);
      const from = sql.agents().length === 0 ? now : state.watchAt(now).from;
      if (from !== row.watched_from) sql.setWatch({ from, presentAt: now });
    }
    if (agents.enter(body, list, now)) services.agentsChanged();
    return true;
  });
}

/**
 * Has the services judge what an agent lists, and what the cluster lost. A service that gives no verdict ends nothing; the
 * next heartbeat requests another.
 */
export async function judgeList(
  ports: ClusterPorts,
  cluster: ClusterName,
  sent: SentList,
  now: number,
): Promise<Verdict> {
  const { list } = sent;
  const { services, strangers } = await ports.services.due([...list.keys()], now);
  const verdicts = await Promise.all(
    [...services].map(([code, service]) => verdictOf(ports, cluster, code, service, sent)),
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
  sent: SentList,
): Promise<Verdict> {
  const verdict = await failures.attemptResult(`reconcile with service ${serviceName}`, () =>
    inTime(
      service(account, serviceName).reconcile(
        name,
        [...(sent.list.get(code) ?? [])],
        state.listsFor(code, sent, Date.now()),
      ),
      heartbeatVerdictWaitMs,
    ),
  );
  services.reconciled(code, verdict?.value.live ?? null);
  return verdict?.value ?? { terminate: [], unknown: [] };
}
