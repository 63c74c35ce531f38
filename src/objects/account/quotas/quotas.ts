import { configTurnsAtOnce, servicesNotifiedAtOnce } from "../../../domain/limits.ts";
import {
  checkHoldings,
  checkQuota,
  eachHolding,
  eachQuota,
  type Holdings,
  type QuotaName,
  serviceQuotas,
} from "../../../domain/quotas.ts";
import { ok, type Result } from "../../../domain/result.ts";
import type { Account as AccountView, PatchAccountBody } from "../../../protocol/v3/accounts.ts";
import { recordEvent } from "../events/events.ts";
import type { AccountPorts } from "../ports.ts";
import { noAccount } from "../state.ts";
import type { AccountQuota, QuotasSql } from "./quotas.sql.ts";

/** Whether the account may store one more of something, inside the transaction that adds it. */
export function checkOneMore(sql: QuotasSql, quota: AccountQuota): Result<null> {
  return checkQuota(quota, sql.quota(quota), 1);
}

/**
 * Takes what a service says it holds, or is about to. What it holds less than before is free for others at once.
 * @param isForced it holds that much already
 */
export function claimHoldings(
  sql: QuotasSql,
  service: string,
  holdings: Holdings,
  isForced: boolean,
): Result<null> {
  const before = eachHolding((quota) => sql.holding(service, quota));
  const checked = isForced ? ok(null) : checkHoldings(before, holdings, (quota) => sql.quota(quota));
  if (checked.ok) keepHoldings(sql, service, holdings);
  return checked;
}

export function keepHoldings(sql: QuotasSql, service: string, holdings: Holdings): void {
  for (const quota of serviceQuotas) sql.setHolding(service, quota, holdings[quota]);
  sql.setCounted(service);
}

/**
 * Counts what services hold that were there before it was counted. What cannot be reached counts as nothing until then,
 * and is asked the next time.
 */
export async function countServices({
  state,
  service,
  failures,
}: Pick<AccountPorts, "state" | "service" | "failures">): Promise<void> {
  const account = state.account();
  if (!account) return;
  const { db, sql } = state;
  for (let turn = 0; turn < configTurnsAtOnce; turn++) {
    const names = sql.uncountedServices(servicesNotifiedAtOnce);
    if (names.length === 0) return;
    const counted = await Promise.all(
      names.map(async (name) => {
        const held = await failures.attempt(`count what service ${name} holds`, async () =>
          service(account.name, name).holdings(),
        );
        // It may have said so itself meanwhile.
        if (held && !sql.isCounted(name)) db.transaction(() => keepHoldings(sql, name, held.value));
        return held !== null;
      }),
    );
    if (counted.includes(false)) return;
  }
}

/** The account with what it uses of each quota. */
export async function accountView({
  state,
  registry,
}: Pick<AccountPorts, "state" | "registry">): Promise<Result<AccountView>> {
  const account = state.account();
  if (!account) return noAccount();
  const untagged = await registry(account.name).untaggedBytes();
  const { used, limit } = untagged;
  const quotas = eachQuota((name) => (name === "untagged_bytes" ? { used, limit } : state.sql.quota(name)));
  return ok({ name: account.name, quotas });
}

/** Sets limits. The registry's own is there first: cut between the two, the request is repeated. */
export async function setQuotas(
  { state, registry }: Pick<AccountPorts, "state" | "registry">,
  limits: PatchAccountBody["quotas"],
): Promise<Result<null>> {
  const account = state.account();
  if (!account) return noAccount();
  const { untagged_bytes: bytes } = limits;
  if (bytes !== undefined) await registry(account.name).setUntaggedLimit(account.name, bytes);
  return state.change(undefined, (_, now) => {
    const { sql } = state;
    const details: Record<string, number | null> = {};
    for (const [name, limit] of limitsIn(limits)) {
      if (name !== "untagged_bytes") sql.setQuotaLimit(name, limit);
      details[name] = limit;
    }
    if (Object.keys(details).length > 0) {
      recordEvent(sql, { type: "account.quotas_changed", actor: null, details }, now);
    }
    return ok(null);
  });
}

function limitsIn(limits: PatchAccountBody["quotas"]): [QuotaName, number | null][] {
  const named = Object.values(eachQuota((name) => ({ name, limit: limits[name] })));
  return named.flatMap(({ name, limit }) => (limit === undefined ? [] : [[name, limit]]));
}
