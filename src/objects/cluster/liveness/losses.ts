import { type FanOut, fanOutAfter, fanOutBegun, nextOfFanOut } from "../../../domain/fan-out.ts";
import { servicesNotifiedAtOnce } from "../../../domain/limits.ts";
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
  if (hasChanged) await judgeList(ports, row, null, now);
  return true;
}

/**
 * Notifies the account and the next services that the cluster is lost. How far that is lies in the cluster's row, so that
 * a run is bounded, and no failure begins it anew. @returns false while there are more
 */
async function giveUp(ports: ClusterPorts, lost: ClusterRow): Promise<boolean> {
  const { state, failures, account, service } = ports;
  const progress: FanOut = lost.loss === null ? fanOutBegun : JSON.parse(lost.loss);
  const notReached = (await servicesOf(ports, lost, progress.after)).map((each) => each.service);
  const services = [...notReached, ...progress.failed];
  const event = await lostEvent(lost);
  const isStillLost = () =>
    state.registered(lost.registration) !== undefined && state.agents.alive(Date.now()).length === 0;
  // A heartbeat may have come meanwhile: then its answer ends what was given up.
  if (!isStillLost()) return true;
  const next = nextOfFanOut(services, progress, servicesNotifiedAtOnce);
  const failed: string[] = [];
  const [recorded] = await Promise.all([
    lost.loss === null
      ? failures.attemptResult("record the loss at the account", async () =>
          account(lost.account).recordEvents([event]),
        )
      : { value: null },
    ...next.map(async (name) => {
      const notified = await failures.attemptResult(`give up the backends of service ${name}`, async () =>
        service(lost.account, name).clusterLost(lost.name, lost.registration, state.agents.fence()),
      );
      if (notified === null) failed.push(name);
    }),
  ]);
  if (!isStillLost()) return true;
  // Without the event the first ones are notified again: it is what people see of the loss.
  if (recorded === null) return false;
  const reached = fanOutAfter(progress, next, failed);
  const isOver = nextOfFanOut(services, reached, 1).length === 0;
  if (isOver) state.sql.setLost(true);
  else state.sql.setLoss(JSON.stringify(reached));
  return isOver;
}
