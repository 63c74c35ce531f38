import type { HeartbeatVerdict } from "../../../domain/backends/lease.ts";
import { heartbeatVerdictWaitMs } from "../../../domain/limits.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { HeartbeatBody } from "../../../protocol/v3/agent.ts";
import type { ClusterReport, ListUpdate, ServiceVerdict } from "../../contract.ts";
import { inTime } from "../../failures/in-time.ts";
import type { ClusterRow } from "../cluster.sql.ts";
import type { ClusterPorts } from "../ports.ts";
import { AgentList } from "./agent-list.ts";

export type Verdict = Pick<HeartbeatVerdict, "terminate" | "unknown">;

type ClusterName = Pick<ClusterRow, "account" | "name">;

/**
 * Writes a heartbeat. @returns the digest of its list; `unauthorized` for one of an earlier registration, `list_unknown` where
 * its changes do not lead to the list that its digest is of
 */
export function enterHeartbeat(
  { state, services }: Pick<ClusterPorts, "state" | "services">,
  registered: Pick<ClusterRow, "account" | "name" | "registration">,
  body: HeartbeatBody,
  now: number,
): Result<string> {
  const { db, sql, agents } = state;
  if (!db.ready) db.migrate();
  const { name, registration } = registered;
  if ((sql.cluster()?.registration ?? 0) > registration) {
    return fail("unauthorized", `cluster \`${name}\` was registered anew: this token is of the one before`);
  }
  const list = (state.registered(registration) && agents.listOf(body.agent_id)) ?? null;
  const entered = list || body.changes === undefined ? (list ?? new AgentList()).entered(body, now) : null;
  if (entered === null) {
    return fail(
      "list_unknown",
      "these changes do not lead to that list from the one that is kept: send the whole list",
    );
  }
  db.transaction(() => {
    const row = state.registered(registration);
    if (!row) {
      state.forget();
      sql.insertCluster({ ...registered, last_heartbeat_at: now, watched_from: now });
    } else {
      if (row.lost || row.loss !== null) sql.setLost(false);
      const from = sql.agents().length === 0 ? now : state.watchAt(now).from;
      if (from !== row.watched_from) sql.setWatch({ from, presentAt: now });
    }
    if (agents.enter(body, entered, now)) services.agentsChanged();
  });
  return ok(entered.digest);
}

/**
 * Has the services judge what an agent lists, and what the cluster lost. A service that gives no verdict ends nothing; the
 * next heartbeat requests another.
 * @param from null: an agent is gone, and what others list is to be judged
 */
export async function judgeList(
  ports: ClusterPorts,
  cluster: ClusterName,
  from: string | null,
  now: number,
): Promise<Verdict> {
  const { agents } = ports.state;
  const codes = (from === null ? null : agents.listOf(from))?.codes() ?? [];
  const { services, strangers } = await ports.services.due(codes, now);
  const verdicts = await Promise.all(
    [...services].map(([code, service]) => verdictOf(ports, cluster, code, service, from)),
  );
  const strange = [...strangers].flatMap((code) => {
    const list = from === null ? null : agents.listOf(from);
    list?.isNobodys(code);
    return (list?.of(code, now) ?? []).flatMap(({ id, status }) => (status === "terminated" ? [] : [id]));
  });
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
  from: string | null,
): Promise<Verdict> {
  const verdict = await failures.attemptResult(`reconcile with service ${serviceName}`, () =>
    inTime(
      reconcile(state, code, from, (report) => service(account, serviceName).reconcile(name, report)),
      heartbeatVerdictWaitMs,
    ),
  );
  services.reconciled(code, verdict?.value.unlisted ?? null);
  return verdict?.value ?? { terminate: [], unknown: [] };
}

/**
 * Sends a service what it does not have of an agent's list, and has it judge that. What else it does not have, since it was
 * evicted or a call was lost, it is sent then, and judges it all. Throws where it does not have it after that either.
 */
async function reconcile(
  state: ClusterPorts["state"],
  code: string,
  from: string | null,
  send: (report: ClusterReport) => Promise<Result<ServiceVerdict>>,
): Promise<Result<ServiceVerdict>> {
  let lacking: readonly string[] | null = null;
  for (let attempts = 0; attempts < 2; attempts++) {
    const now = Date.now();
    const alive = state.agents.alive(now);
    const sender = alive.find(({ id, listed }) => id === from && listed !== null);
    const updates = alive.flatMap((agent): ListUpdate[] => {
      const { id, listed, lastHeartbeatAt } = agent;
      const isLacking = lacking?.includes(id) ?? false;
      const update = isLacking ? listed?.whole(code, now) : agent === sender && listed?.unsent(code, now);
      return update ? [{ agent: id, silentMs: Math.max(0, now - lastHeartbeatAt), ...update }] : [];
    });
    const lists = alive.map(({ id, listed }) => ({ id, digest: listed?.digestOf(code) ?? null }));
    const verdict = await send({
      from: sender?.id ?? null,
      agents: lists,
      ...state.facts(alive, now),
      updates,
    });
    if (!verdict.ok) return verdict;
    lacking = verdict.value.lacking;
    if (lacking.length > 0) continue;
    for (const { id, digest } of lists) if (digest !== null) state.agents.listOf(id)?.taken(code, digest);
    return verdict;
  }
  throw new Error(`the service does not have the lists of ${lacking}, which it was sent`);
}
