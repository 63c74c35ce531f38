import type { ClusterRow } from "../cluster.sql.ts";
import { type ClusterPorts, servicesOf } from "../ports.ts";
import { judgeList } from "./heartbeat.ts";
import { lostEvent } from "./lost-event.ts";

/**
 * Acts on agents that are not alive any more: gives up what they ran, and the cluster with the last of them.
 * @returns false where that is to be repeated
 */
export async function settleLosses(ports: ClusterPorts): Promise<boolean> {
  const { state, services } = ports;
  if (!state.sql.cluster()) return true;
  const now = Date.now();
  const hasChanged = state.db.transaction(() => {
    state.notePresence(now);
    return state.agents.forgetDead(now);
  });
  if (hasChanged) services.agentsChanged();
  // As it is now: it has the last heartbeat of those that were just forgotten.
  const row = state.sql.cluster();
  if (!row) return true;
  if (!row.lost && state.agents.alive(now).length === 0) return giveUp(ports, row);
  if (hasChanged) await judgeList(ports, row, { from: null, list: new Map() }, now);
  return true;
}

/** Notifies every service and the account that the cluster is lost: all of them again, where one could not be. */
async function giveUp(ports: ClusterPorts, lost: ClusterRow): Promise<boolean> {
  const { state, failures, account, service } = ports;
  const services = await servicesOf(ports, lost);
  const event = await lostEvent(lost);
  const isStillLost = () =>
    state.registered(lost.registration) !== undefined && state.agents.alive(Date.now()).length === 0;
  // A heartbeat may have come meanwhile: then its answer ends what was given up.
  if (!isStillLost()) return true;
  const notified = await Promise.all([
    failures.attemptResult("record the loss at the account", async () =>
      account(lost.account).recordEvents([event]),
    ),
    ...services.map(({ service: name }) =>
      failures.attemptResult(`give up the backends of service ${name}`, async () =>
        service(lost.account, name).clusterLost(lost.name, lost.registration, state.agents.fence()),
      ),
    ),
  ]);
  if (notified.includes(null)) return false;
  if (isStillLost()) state.sql.setLost(true);
  return true;
}
