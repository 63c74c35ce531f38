import type { Fence } from "../../../domain/backends/fence.ts";
import { type AttemptResult, judgeAttempt } from "../../../domain/deliveries/delivery.ts";
import { recordedResult } from "../../../domain/deliveries/delivery-log.ts";
import type { EventDetails } from "../../../domain/events.ts";
import { serviceNamesPerCall, turnAwaitedMs } from "../../../domain/limits.ts";
import { listOf, namesIn, nearest } from "../../../domain/names.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type {
  Cluster,
  CreateClusterBody,
  ObservedCluster,
  PatchClusterBody,
  TestedCluster,
} from "../../../protocol/v3/clusters.ts";
import type { ListQuery, Page } from "../../../protocol/v3/list.ts";
import { signedGetId } from "../../../protocol/webhooks/signature.ts";
import { belowWebhookUrl, webhookUrlProblem } from "../../../protocol/webhooks/url.ts";
import type { Actor, ActorName, NewSecret, SignedGet } from "../../contract.ts";
import { newestFirst, pageAt } from "../../page.ts";
import { signForCluster } from "../../webhooks/cluster-signature.ts";
import { sendWebhook } from "../../webhooks/webhook-sender.ts";
import type { AccountRow, AccountSql } from "../account.sql.ts";
import { addToken } from "../credentials/tokens.ts";
import { recordEvent } from "../events/events.ts";
import type { AccountPorts } from "../ports.ts";
import { checkOneMore } from "../quotas/quotas.ts";
import type { ClusterRow } from "../rows.ts";
import { clusterConfig, clusterView } from "./views.ts";

/** Adds a cluster with its agent's token; the first one becomes the account's default. */
export function createCluster(
  sql: AccountSql,
  account: AccountRow,
  body: CreateClusterBody,
  secrets: { agent: NewSecret; signingSecret: string },
  allowPrivate: boolean,
  actor: Actor,
  now: number,
): Result<Cluster> {
  const problem = urlProblem(body.webhook_url, allowPrivate);
  if (problem) return problem;
  if (sql.cluster(body.name)) return fail("already_exists", `cluster \`${body.name}\` exists already`);
  const checked = checkOneMore(sql, "clusters");
  if (!checked.ok) return checked;
  const token = { name: `agent of ${body.name}`, role: "agent", cluster: body.name } as const;
  const added = addToken(sql, token, secrets.agent, actor, now);
  if (!added.ok) return added;
  sql.insertCluster({
    name: body.name,
    webhook_url: body.webhook_url,
    backend_url_template: body.backend_url_template ?? null,
    ack: body.ack ?? "sync",
    secrets: JSON.stringify([{ secret: secrets.signingSecret, validUntil: null }]),
    created_at: now,
    registration: account.config_version + 1,
  });
  if (account.default_cluster === null) sql.setDefaultCluster(body.name);
  sql.bumpConfigVersion();
  recordEvent(sql, { type: "cluster.registered", actor, cluster: body.name }, now);
  return getCluster(sql, body.name);
}

export function patchCluster(
  sql: AccountSql,
  name: string,
  patch: PatchClusterBody,
  allowPrivate: boolean,
  actor: Actor,
  now: number,
): Result<Cluster> {
  const found = findCluster(sql, name);
  if (!found.ok) return found;
  const problem = patch.webhook_url === undefined ? null : urlProblem(patch.webhook_url, allowPrivate);
  if (problem) return problem;
  const row = found.value;
  const template = patch.backend_url_template;
  const next = {
    name,
    webhook_url: patch.webhook_url ?? row.webhook_url,
    backend_url_template: template === undefined ? row.backend_url_template : template,
    ack: patch.ack ?? row.ack,
  };
  if (next.ack === "async" && next.backend_url_template === null) {
    return fail(
      "bad_request",
      "an async cluster needs a `backend_url_template`, since its answer is not waited for",
    );
  }
  sql.updateCluster(next);
  if (patch.default) sql.setDefaultCluster(name);
  sql.bumpConfigVersion();
  const details = definedOf(patch);
  if (Object.keys(details).length > 0) {
    recordEvent(sql, { type: "cluster.changed", actor, cluster: name, details }, now);
  }
  return getCluster(sql, name);
}

export function getCluster(sql: AccountSql, name: string): Result<Cluster> {
  const account = sql.account();
  const row = findCluster(sql, name);
  if (!row.ok) return row;
  if (!account) throw new Error("a cluster without an account");
  return ok(clusterView(row.value, account));
}

/** A cluster that is not being deleted. */
export function findCluster(sql: AccountSql, name: string): Result<ClusterRow> {
  const row = sql.cluster(name);
  if (row && !row.deleting) return ok(row);
  const names = sql.clusters().flatMap((cluster) => (cluster.deleting ? [] : [cluster.name]));
  return fail(
    "cluster_not_found",
    `cluster \`${name}\` not found; this account has ${listOf(nearest(name, names))}`,
  );
}

/** The registration of a cluster that is not being deleted. */
export function registrationOf(sql: AccountSql, name: string): Result<number> {
  const found = findCluster(sql, name);
  return found.ok ? ok(found.value.registration) : found;
}

/** A cluster of this very registration, even one that is being deleted: its agents go on until it is gone. */
function findRegistration(sql: AccountSql, name: string, registration: number): Result<ClusterRow> {
  const row = sql.cluster(name);
  return row?.registration === registration
    ? ok(row)
    : fail("cluster_not_found", `cluster \`${name}\` is not registered any more`);
}

/** As `AccountRpc.admitRegistration`. Its object was emptied already where a deletion is about to end. */
export function admitRegistration(sql: AccountSql, name: string, registration: number): Result<null> {
  const found = findRegistration(sql, name, registration);
  if (!found.ok) return fail("unauthorized", `cluster \`${name}\` was deleted`);
  return found.value.deleting ? fail("unavailable", `cluster \`${name}\` is being deleted`) : ok(null);
}

/** The services that may have backends in a cluster: every one of the account. */
export function servicesOfCluster(sql: AccountSql, name: string, registration: number, after: string) {
  const found = findRegistration(sql, name, registration);
  return found.ok ? ok(sql.servicesWithBackends(after, serviceNamesPerCall)) : found;
}

/** Notes whether a cluster takes new backends; what is new in it is a new configuration. */
export function setClusterDraining(
  sql: AccountSql,
  name: string,
  registration: number,
  draining: boolean,
  now: number,
): Result<null> {
  const found = findRegistration(sql, name, registration);
  if (!found.ok) return found;
  if ((found.value.draining === 1) !== draining) {
    sql.setDraining(name, draining);
    sql.bumpConfigVersion();
    const type = draining ? "cluster.drained" : "cluster.undrained";
    recordEvent(sql, { type, actor: null, cluster: name }, now);
  }
  return ok(null);
}

/** Notes what frees the keys of a cluster whose agents are silent: a new configuration, as above. */
export function setClusterFence(
  sql: AccountSql,
  name: string,
  registration: number,
  fence: Fence,
): Result<null> {
  const found = findRegistration(sql, name, registration);
  if (!found.ok) return found;
  if (found.value.fence !== fence) {
    sql.setFence(name, fence);
    sql.bumpConfigVersion();
  }
  return ok(null);
}

type Observing = Pick<AccountPorts, "state" | "cluster">;

/** A page of clusters, newest first, each with how it is. */
export async function listClusters(
  ports: Observing,
  query: ListQuery,
): Promise<Result<Page<ObservedCluster>>> {
  const page = ports.state.page(query, newestFirst, (from, account) =>
    pageAt(from, query.limit, {
      read: ports.state.sql.clustersBeyond,
      keyOf: ({ seq }) => seq,
      item: (row) => observedCluster(ports, row, account),
    }),
  );
  return page.ok ? ok({ ...page.value, items: await Promise.all(page.value.items) }) : page;
}

/** A cluster with how it is. */
export async function describeCluster(ports: Observing, name: string): Promise<Result<ObservedCluster>> {
  const found = findWithAccount(ports.state, name);
  return found.ok ? ok(await observedCluster(ports, found.value.row, found.value.account)) : found;
}

function findWithAccount(
  state: AccountPorts["state"],
  name: string,
): Result<{ row: ClusterRow; account: AccountRow }> {
  return state.read((account) => {
    const found = findCluster(state.sql, name);
    return found.ok ? ok({ row: found.value, account }) : found;
  });
}

/** As its Cluster object observes it. */
async function observedCluster(
  { cluster }: Pick<AccountPorts, "cluster">,
  row: ClusterRow,
  account: AccountRow,
): Promise<ObservedCluster> {
  const observation = await cluster(account.name, row.name).observe(row.registration);
  const { health, agents, last_heartbeat_at: lastAt, fence } = observation;
  const lastHeartbeat = lastAt === undefined ? {} : { last_heartbeat_at: lastAt };
  return {
    ...clusterView(row, account),
    health,
    ...lastHeartbeat,
    ...(fence === undefined ? {} : { fence }),
    agents,
  };
}

/** Takes a cluster for gone, until its deletion is finished or found to be impossible. */
export function markDeleting(sql: AccountSql, name: string, actor: Actor): Result<null> {
  const found = findCluster(sql, name);
  if (!found.ok) return found;
  sql.setDeleting(name, true);
  const by: ActorName = { tokenId: actor.tokenId, tokenName: actor.tokenName };
  sql.setDeletedBy(name, JSON.stringify(by));
  sql.bumpConfigVersion();
  return ok(null);
}

export function clusterInUse(name: string, services: string[]) {
  return fail(
    "cluster_in_use",
    `cluster \`${name}\` is needed by ${listOf(services)}: move their environments and end their backends there first`,
    { details: namesIn("services", services) },
  );
}

/** What a patch changes, for its event: a URL is shown as it is, for it is no secret to who may read events. */
function definedOf(patch: PatchClusterBody): EventDetails {
  const defined = Object.entries(patch).flatMap(([field, value]) =>
    value === undefined ? [] : [[field, value]],
  );
  return Object.fromEntries(defined);
}

/** Sends one `cluster.ping`, and has the cluster's log record its outcome. */
export async function testCluster(
  ports: Pick<AccountPorts, "state" | "cluster" | "failures" | "turns">,
  name: string,
): Promise<Result<TestedCluster>> {
  const found = findWithAccount(ports.state, name);
  return found.ok ? ok(await pingCluster(ports, found.value.row, found.value.account)) : found;
}

async function pingCluster(
  { cluster, failures, turns }: Pick<AccountPorts, "cluster" | "failures" | "turns">,
  row: ClusterRow,
  account: AccountRow,
): Promise<TestedCluster> {
  const turn = await turns.turn(row.name, "others", turnAwaitedMs);
  const started = Date.now();
  const id = `ping_${crypto.randomUUID()}`;
  const type = "cluster.ping";
  const ping = { id, type, data: { cluster: row.name } } as const;
  const result: AttemptResult = turn
    ? await sendWebhook(clusterConfig(row), ping, turn, started)
    : { outcome: "unsent" };
  const durationMs = Date.now() - started;
  const verdict = judgeAttempt(result, type);
  const attempt = {
    id,
    type,
    attempt: 1,
    time: started,
    durationMs,
    ...recordedResult(type, result),
  } as const;
  // The answer is worth more than its record, which is not made up for.
  await failures.attempt(`log a ping of cluster ${row.name}`, async () =>
    cluster(account.name, row.name).recordAttempts({
      account: account.name,
      cluster: row.name,
      registration: row.registration,
      service: null,
      attempts: [attempt],
    }),
  );
  return {
    delivered: verdict.verdict === "delivered",
    ...(result.outcome === "response" ? { status: result.status } : {}),
    duration_ms: durationMs,
    ...(verdict.verdict === "delivered" ? {} : { error: verdict.message }),
  };
}

/** @param path begins with a slash @param now milliseconds since the epoch */
export async function signedGet(row: ClusterRow, path: string, now: number): Promise<SignedGet> {
  const config = clusterConfig(row);
  const headers = await signForCluster(config, signedGetId(path, crypto.randomUUID()), now, "");
  return { url: belowWebhookUrl(config.webhookUrl, path), headers };
}

function urlProblem(url: string, allowPrivate: boolean) {
  const problem = webhookUrlProblem(url, allowPrivate);
  return problem === null ? null : fail("bad_request", `webhook_url: ${problem}`);
}
