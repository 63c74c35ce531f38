import { ok } from "../../../domain/result.ts";
import { accountStub } from "../../../objects/stubs.ts";
import { formatAccessToken } from "../../../protocol/tokens/access-token.ts";
import * as clusters from "../../../protocol/v3/clusters.ts";
import { listQuery } from "../../../protocol/v3/list.ts";
import { tokenFor } from "../../admission/access.ts";
import { newAgentSecret, newSigningSecret, secretSource } from "../../credentials/secrets.ts";
import { pageCursors } from "../page-cursors.ts";
import { defineRoute } from "../route.ts";

export const v3ClusterRoutes = [
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/clusters",
    version: "v3",
    access: tokenFor("admin"),
    body: clusters.createClusterBody,
    answer: clusters.createdCluster,
    status: 201,
    names: { cluster: "/name" },
    idempotent: true,
    summary: "Register a cluster",
    async handle({ env, params: { account }, body, caller }) {
      const source = secretSource(env, account, caller.idempotency);
      const [agent, signingSecret] = await Promise.all([newAgentSecret(source), newSigningSecret(source)]);
      const created = await accountStub(env, account).createCluster(
        body,
        { id: agent.id, secretHash: agent.secretHash },
        signingSecret,
        caller,
      );
      if (!created.ok) return created;
      const agentToken = formatAccessToken({ account, id: agent.id, secret: agent.secret });
      return ok({ ...created.value, signing_secret: signingSecret, agent_token: agentToken });
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/clusters",
    version: "v3",
    access: tokenFor("read"),
    query: listQuery,
    answer: clusters.clusterList,
    summary: "List clusters, newest first, with how each is",
    async handle({ env, params, query }) {
      const page = await accountStub(env, params.account).listClusters(query);
      return page.ok ? ok({ clusters: page.value.items, ...pageCursors(page.value) }) : page;
    },
  }),
  defineRoute({
    method: "GET",
    path: "/v3/accounts/:account/clusters/:cluster",
    version: "v3",
    access: tokenFor("read"),
    answer: clusters.observedCluster,
    names: { cluster: "/name" },
    summary: "A cluster, and how it is",
    handle: ({ env, params }) => accountStub(env, params.account).getCluster(params.cluster),
  }),
  defineRoute({
    method: "PATCH",
    path: "/v3/accounts/:account/clusters/:cluster",
    version: "v3",
    access: tokenFor("admin"),
    body: clusters.patchClusterBody,
    answer: clusters.cluster,
    summary: "Change a cluster",
    handle: ({ env, params, body, caller }) =>
      accountStub(env, params.account).patchCluster(params.cluster, body, caller),
  }),
  defineRoute({
    method: "DELETE",
    path: "/v3/accounts/:account/clusters/:cluster",
    version: "v3",
    access: tokenFor("admin"),
    status: 204,
    summary: "Take a cluster out of the account",
    handle: ({ env, params, caller }) =>
      accountStub(env, params.account).deleteCluster(params.cluster, caller),
  }),
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/clusters/:cluster/rotate-secret",
    version: "v3",
    access: tokenFor("admin"),
    body: clusters.rotateSecretBody,
    answer: clusters.rotatedSecret,
    idempotent: true,
    summary:
      "Add a signing secret: it and the newest one before it sign for 24 hours, an older one stops at once",
    async handle({ env, params: { account, cluster }, caller }) {
      const secret = await newSigningSecret(secretSource(env, account, caller.idempotency));
      const rotated = await accountStub(env, account).rotateSecret(cluster, secret, caller);
      return rotated.ok ? ok({ ...rotated.value, signing_secret: secret }) : rotated;
    },
  }),
  defineRoute({
    method: "POST",
    path: "/v3/accounts/:account/clusters/:cluster/test",
    version: "v3",
    access: tokenFor("admin"),
    answer: clusters.testedCluster,
    summary: "Send a signed ping to a cluster and tell what it answers",
    handle: ({ env, params }) => accountStub(env, params.account).testCluster(params.cluster),
  }),
];
