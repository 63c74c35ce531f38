import { judgeAttempt } from "../../domain/delivery.ts";
import { listOf, nearest } from "../../domain/names.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type {
  Cluster,
  CreateClusterBody,
  PatchClusterBody,
  TestedCluster,
} from "../../protocol/v3/clusters.ts";
import { webhookUrlProblem } from "../../protocol/webhook-url.ts";
import type { NewSecret } from "../contract.ts";
import { sendWebhook } from "../webhook-sender.ts";
import type { AccountRow, AccountSql, ClusterRow } from "./account.sql.ts";
import { addToken } from "./tokens.ts";
import { clusterConfig, clusterView } from "./views.ts";

/** Adds a cluster with its agent's token; the first one becomes the account's default. */
export function createCluster(
  sql: AccountSql,
  account: AccountRow,
  body: CreateClusterBody,
  secrets: { agent: NewSecret; signingSecret: string },
  allowPrivate: boolean,
  now: number,
): Result<Cluster> {
  const problem = urlProblem(body.webhook_url, allowPrivate);
  if (problem) return problem;
  if (sql.cluster(body.name)) return fail("already_exists", `cluster \`${body.name}\` exists already`);
  sql.insertCluster({
    name: body.name,
    webhook_url: body.webhook_url,
    backend_url_template: body.backend_url_template ?? null,
    ack: body.ack ?? "sync",
    secrets: JSON.stringify([{ secret: secrets.signingSecret, validUntil: null }]),
    created_at: now,
  });
  addToken(sql, { name: `agent of ${body.name}`, role: "agent", cluster: body.name }, secrets.agent, now);
  if (account.default_cluster === null) sql.setDefaultCluster(body.name);
  sql.bumpConfigVersion();
  return getCluster(sql, body.name);
}

export function patchCluster(
  sql: AccountSql,
  name: string,
  patch: PatchClusterBody,
  allowPrivate: boolean,
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

/** Sends one `cluster.ping` and tells what it met. */
export async function pingCluster(row: ClusterRow): Promise<TestedCluster> {
  const started = Date.now();
  const result = await sendWebhook(
    clusterConfig(row),
    { id: `ping_${crypto.randomUUID()}`, type: "cluster.ping", data: { cluster: row.name } },
    started,
  );
  const verdict = judgeAttempt(result);
  return {
    delivered: verdict.verdict === "delivered",
    ...(result.met === "answer" ? { status: result.status } : {}),
    duration_ms: Date.now() - started,
    ...(verdict.verdict === "delivered" ? {} : { error: verdict.message }),
  };
}

function urlProblem(url: string, allowPrivate: boolean) {
  const problem = webhookUrlProblem(url, allowPrivate);
  return problem === null ? null : fail("bad_request", `webhook_url: ${problem}`);
}
