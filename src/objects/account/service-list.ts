import { serviceNamesPerCall } from "../../domain/limits.ts";
import { isoTime } from "../../protocol/primitives.ts";
import type { Page } from "../../protocol/v3/list.ts";
import { toPage } from "../page.ts";
import type { AccountSql } from "./account.sql.ts";

/** Services below a cursor, newest first. */
export function pageOfServices(
  sql: Pick<AccountSql, "servicesBefore">,
  start: number,
  limit: number,
): Page<{ name: string; created_at: string }> {
  return toPage(
    sql.servicesBefore(start, limit + 1),
    limit,
    ({ seq }) => seq,
    (row) => ({ name: row.name, created_at: isoTime(row.created_at) }),
  );
}

/** The next names of services, as many as one call answers with. */
export function serviceNames(sql: Pick<AccountSql, "serviceNamesAfter">, after: string): string[] {
  return sql.serviceNamesAfter(after, serviceNamesPerCall).map(({ name }) => name);
}
