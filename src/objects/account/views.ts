import { z } from "zod";
import { isoTime } from "../../protocol/primitives.ts";
import type { Token } from "../../protocol/v3/accounts.ts";
import type { Cluster } from "../../protocol/v3/clusters.ts";
import type { AccountConfig, ClusterConfig, Identity } from "../contract.ts";
import type { AccountRow, ClusterRow, TokenRow } from "./account.sql.ts";
import type { SessionRow } from "./credentials.sql.ts";

const environmentList = z.array(z.string());
const secretList = z.array(z.object({ secret: z.string(), validUntil: z.number().nullable() }));

function environmentsOf(row: TokenRow): { environments?: string[] } {
  return row.environments === null
    ? {}
    : { environments: environmentList.parse(JSON.parse(row.environments)) };
}

export function tokenView(row: TokenRow): Token {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    ...(row.service === null ? {} : { service: row.service }),
    ...environmentsOf(row),
    ...(row.cluster === null ? {} : { cluster: row.cluster }),
    created_at: isoTime(row.created_at),
    ...(row.expires_at === null ? {} : { expires_at: isoTime(row.expires_at) }),
  };
}

/** @param cluster the one that an agent's token belongs to */
export function identityOf(account: string, row: TokenRow, cluster: ClusterRow | undefined): Identity {
  return {
    account,
    tokenId: row.id,
    tokenName: row.name,
    role: row.role,
    ...(row.service === null ? {} : { service: row.service }),
    ...environmentsOf(row),
    ...(row.cluster === null ? {} : { cluster: row.cluster }),
    ...(cluster === undefined ? {} : { registration: cluster.registration }),
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
  };
}

/** Who acts in a session: its access token's holder, until the earlier of both ends. */
export function sessionIdentity(token: Identity, { id, kind, expires_at }: SessionRow): Identity {
  const expiresAt = Math.min(expires_at, token.expiresAt ?? Number.POSITIVE_INFINITY);
  return { ...token, session: { id, kind }, expiresAt };
}

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
