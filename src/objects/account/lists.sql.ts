import type { Database } from "../database.ts";
import { keyset, namesBeyond, valuesBeyond } from "../keyset.sql.ts";
import type { Position } from "../page.ts";
import type { ClusterRow, ServiceRow, TokenRow } from "./rows.ts";

/** Pages of what an account has: rows beyond a position, the nearest first. */
export function listsSql(db: Pick<Database, "all">) {
  return {
    tokensBeyond: ({ key, leadsBack }: Position<number>, limit: number) => {
      const { past, order } = keyset("seq", leadsBack);
      return db.all<TokenRow>(`SELECT * FROM tokens WHERE ${past} ORDER BY ${order} LIMIT ?2`, key, limit);
    },
    clustersBeyond: ({ key, leadsBack }: Position<number>, limit: number) => {
      const { past, order } = keyset("seq", leadsBack);
      return db.all<ClusterRow>(
        `SELECT * FROM clusters WHERE deleting = 0 AND ${past} ORDER BY ${order} LIMIT ?2`,
        key,
        limit,
      );
    },
    servicesBeyond: ({ key, leadsBack }: Position<number>, limit: number) => {
      const { past, order } = keyset("seq", leadsBack);
      return db.all<ServiceRow>(
        `SELECT * FROM services WHERE state = 'live' AND ${past} ORDER BY ${order} LIMIT ?2`,
        key,
        limit,
      );
    },
    /** Those whose names begin with a text, in their order. @param from an empty key: at either end */
    servicesNamed: (prefix: string, from: Position<string>, limit: number) => {
      const { within, order } = namesBeyond("name", from.leadsBack);
      return db.all<ServiceRow>(
        `SELECT * FROM services WHERE state = 'live' AND ${within} ORDER BY ${order} LIMIT ?4`,
        ...valuesBeyond(prefix, from),
        limit,
      );
    },
  };
}
