import { z } from "zod";
import { isoTime } from "../../../protocol/primitives.ts";
import type { Token } from "../../../protocol/v3/accounts.ts";
import type { Identity } from "../../contract.ts";
import type { ClusterRow, TokenRow } from "../rows.ts";
import type { SessionRow } from "./credentials.sql.ts";

const environmentList = z.array(z.string());

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
