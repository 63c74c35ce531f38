import { z } from "zod";
import { isoTime } from "../../../protocol/primitives.ts";
import type { Cluster } from "../../../protocol/v3/clusters.ts";
import type { AccountConfig, ClusterConfig } from "../../contract.ts";
import type { AccountRow } from "../account.sql.ts";
import type { ClusterRow } from "../rows.ts";

const secretList = z.array(z.object({ secret: z.string(), validUntil: z.number().nullable() }));

export function clusterView(row: ClusterRow, account: AccountRow): Cluster {
  return {
    name: row.name,
    webhook_url: row.webhook_url,
    backend_url_template: row.backend_url_template,
    ack: row.ack,
    default: account.default_cluster === row.name,
    created_at: isoTime(row.created_at),
  };
}

export function clusterConfig(row: ClusterRow): ClusterConfig {
  return {
    name: row.name,
    webhookUrl: row.webhook_url,
    backendUrlTemplate: row.backend_url_template,
    ack: row.ack,
    registration: row.registration,
    draining: row.draining === 1,
    fence: row.fence,
    secrets: secretList.parse(JSON.parse(row.secrets)),
  };
}

/** What services know of their account: clusters that are being deleted are gone for them. */
export function accountConfig(account: AccountRow, clusters: readonly ClusterRow[]): AccountConfig {
  const kept = clusters.filter(({ deleting }) => deleting === 0);
  return {
    version: account.config_version,
    defaultCluster: kept.some(({ name }) => name === account.default_cluster)
      ? account.default_cluster
      : null,
    clusters: kept.map(clusterConfig),
  };
}
