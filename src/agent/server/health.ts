import type { Backends } from "../backends/backends.ts";
import type { JournalWrites } from "../backends/journal-writes.ts";
import type { ClusterLease } from "../control-plane/lease.ts";
import type { WebhookAnswer } from "./webhook.ts";

/**
 * What `/healthz` says: 503 while draining, so that load balancers and supervisors send nothing more here. Not where the
 * journal cannot be written, as on a full disk: what runs is still served.
 */
export function healthAnswer(agent: {
  cluster: string;
  agentId: string;
  version: string;
  backends: Pick<Backends, "draining" | "list"> & { writes: Pick<JournalWrites, "isFailing"> };
  lease: Pick<ClusterLease, "state">;
}): WebhookAnswer {
  const { draining } = agent.backends;
  return {
    status: draining ? 503 : 200,
    body: {
      status: draining ? "draining" : "ok",
      cluster: agent.cluster,
      agent_id: agent.agentId,
      version: agent.version,
      backends: agent.backends.list().filter(({ status }) => status !== "terminated").length,
      lease: agent.lease.state,
      journal: agent.backends.writes.isFailing ? "failing" : "ok",
      draining,
    },
  };
}
