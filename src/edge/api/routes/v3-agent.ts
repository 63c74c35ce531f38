import { fail, ok, type Result } from "../../../domain/result.ts";
import type { Identity } from "../../../objects/contract.ts";
import { backendsStub, clusterStub } from "../../../objects/stubs.ts";
import * as agent from "../../../protocol/v3/agent.ts";
import { tokenFor } from "../../admission/access.ts";
import { defineRoute } from "../route.ts";

/** A heartbeat lists every backend of its cluster: ten thousand of them at about 80 bytes. */
const heartbeatMaxBytes = 1024 * 1024;

function clusterOf({ cluster }: Identity): Result<string> {
  return cluster === undefined ? fail("forbidden", "this needs a cluster's agent token") : ok(cluster);
}

export const v3AgentRoutes = [
  defineRoute({
    method: "POST",
    path: "/v3/agent/backends/:id/status",
    version: "v3",
    access: tokenFor("agent"),
    body: agent.statusReportBody,
    answer: agent.statusReportAnswer,
    summary: "Report the status of a backend",
    async handle({ env, backend, body, identity }) {
      const cluster = clusterOf(identity);
      if (!cluster.ok) return cluster;
      const { account, service, id } = backend;
      return backendsStub(env, backend, id).report(account, service, cluster.value, id, body);
    },
  }),
  defineRoute({
    method: "POST",
    path: "/v3/agent/heartbeat",
    version: "v3",
    access: tokenFor("agent"),
    body: agent.heartbeatBody,
    bodyMaxBytes: heartbeatMaxBytes,
    answer: agent.heartbeatAnswer,
    summary: "Say that a cluster is alive, and what it runs",
    async handle({ env, body, identity }) {
      const cluster = clusterOf(identity);
      if (!cluster.ok) return cluster;
      const { account, registration = 0 } = identity;
      return clusterStub(env, account, cluster.value).heartbeat(account, cluster.value, registration, body);
    },
  }),
];
