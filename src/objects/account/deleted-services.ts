import { nextSweepAt } from "../../domain/expiry.ts";
import { deletedServicesForgottenAtOnce, deletedServicesSeenEveryMs } from "../../domain/limits.ts";
import type { Retirement } from "../contract.ts";
import type { AccountSql } from "./account.sql.ts";
import type { AccountPorts } from "./ports.ts";

type Ports = Pick<AccountPorts, "state" | "failures" | "service" | "directory">;
type Deleted = ReturnType<AccountSql["deletedServicesDue"]>[number];

/**
 * The alarm's work: forgets deleted services of which nothing is left, a batch at a time. The row of one goes last, so that
 * what is cut short is done again; one that is created anew with the name meanwhile takes over what is left.
 * @returns when to go on, in milliseconds since the epoch; null where there is none
 */
export async function forgetDeleted(ports: Ports): Promise<number | null> {
  const { db, sql, creating, forgetting } = ports.state;
  if (!db.ready) return null;
  for (const deleted of sql.deletedServicesDue(Date.now(), deletedServicesForgottenAtOnce)) {
    const { name } = deleted;
    // A request may have created it meanwhile.
    if (creating.has(name) || sql.service(name)?.state !== "removed") continue;
    const forgotten = ports.failures.attempt("forget a deleted service", () => forget(ports, deleted));
    forgetting.set(name, forgotten);
    const outcome = await forgotten;
    forgetting.delete(name);
    const now = Date.now();
    const lookAt = outcome?.value.state === "kept" ? outcome.value.lookAt : now + deletedServicesSeenEveryMs;
    sql.setServiceLookAt(name, lookAt);
  }
  return nextLook(sql, Date.now());
}

/** When to see to deleted services next; null where there are none. */
export function nextLook(sql: Pick<AccountSql, "nextLookAtDeleted">, now: number): number | null {
  return nextSweepAt(sql.nextLookAtDeleted(), now);
}

async function forget({ state, service, directory }: Ports, { name, code }: Deleted): Promise<Retirement> {
  const { db, sql } = state;
  const account = sql.account();
  if (!account) throw new Error("the account was never set up");
  const object = service(account.name, name);
  const retirement: Retirement = { ...(await object.retire()) };
  if (retirement.state === "kept") return retirement;
  // Before the object forgets them: what fences by them remembers the highest for good.
  sql.raiseFencingFloor(retirement.fencingCeiling);
  await object.forget();
  await directory(code).release(code, account.name, name);
  db.transaction(() => sql.forgetService(name));
  return retirement;
}
