import { z } from "zod";
import { type TokenRight, tokenRights } from "../../../domain/credentials/rights.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { Token } from "../../../protocol/v3/accounts.ts";
import type { Identity } from "../../contract.ts";
import type { ClusterRow, TokenRow } from "../rows.ts";
import type { SessionRow } from "./credentials.sql.ts";

const textList = z.array(z.string());
const rightList = z.array(z.enum(tokenRights));

function environmentsOf(row: TokenRow): { environments?: string[] } {
  return row.environments === null ? {} : { environments: textList.parse(JSON.parse(row.environments)) };
}

function rightsOf({ rights }: TokenRow): TokenRight[] {
  return rights === null ? [] : rightList.parse(JSON.parse(rights));
}

function makersOf({ makers }: TokenRow): string[] {
  return makers === null ? [] : textList.parse(JSON.parse(makers));
}

function makerOf(row: TokenRow): Token["made_by"] {
  const [nearest] = makersOf(row);
  return nearest === undefined ? null : { token_id: nearest, token_name: row.maker_name ?? "" };
}

export function tokenView(row: TokenRow): Token {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    rights: rightsOf(row),
    ...(row.service === null ? {} : { service: row.service }),
    ...environmentsOf(row),
    ...(row.cluster === null ? {} : { cluster: row.cluster }),
    made_by: makerOf(row),
    created_at: isoTime(row.created_at),
    ...(row.expires_at === null ? {} : { expires_at: isoTime(row.expires_at) }),
  };
}

/** @param cluster the one that an agent's token belongs to */
export function identityOf(account: string, row: TokenRow, cluster: ClusterRow | undefined): Identity {
  const [rights, makers] = [rightsOf(row), makersOf(row)];
  return {
    account,
    tokenId: row.id,
    tokenName: row.name,
    role: row.role,
    ...(rights.length === 0 ? {} : { rights }),
    ...(makers.length === 0 ? {} : { makers }),
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
