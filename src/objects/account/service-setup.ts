import { serviceCode, serviceCodeLength } from "../../domain/ids.ts";
import { listOf, nearest } from "../../domain/names.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import type { Actor, Idempotency, ServiceDescription } from "../contract.ts";
import type { Database } from "../database.ts";
import type { IdempotencySql } from "../idempotency.sql.ts";
import type { NewService } from "../service/setup.ts";
import type { AccountSql } from "./account.sql.ts";
import { recordEvent } from "./events.ts";
import { accountConfig } from "./views.ts";

export interface ServiceSetupPorts {
  db: Database;
  sql: AccountSql;
  idempotency: IdempotencySql;
  /** Asks the directory for a code. @returns false where another service has it */
  claim(code: string, account: string, service: string): Promise<boolean>;
  initialise(service: NewService): Promise<Result<ServiceDescription>>;
}

/** A code that a new service may claim at the directory. */
function randomServiceCode(): string {
  return serviceCode(crypto.getRandomValues(new Uint8Array(serviceCodeLength)));
}

/**
 * Notes that a service is being created, unless there is one of its name or the request was answered before. To be run
 * inside a transaction.
 */
export function beginService(
  { sql, idempotency }: Pick<ServiceSetupPorts, "sql" | "idempotency">,
  name: string,
  request: Idempotency | undefined,
  now: number,
): Result<{ replay: Result<ServiceDescription> | null }> {
  if (request) {
    const found = idempotency.find<ServiceDescription>(request, now);
    if (!found.ok) return found;
    if (found.value?.result) return ok({ replay: found.value.result });
  }
  const row = sql.service(name);
  if (row?.state === "live") return serviceExists(name);
  if (!row) sql.insertService(name, randomServiceCode(), now);
  else if (row.state === "removed") sql.reviveService(name, now);
  return ok({ replay: null });
}

export function serviceExists(name: string) {
  return fail("already_exists", `service \`${name}\` exists already`);
}

/** Takes a service whose own object has forgotten everything out of the list. */
export function setServiceRemoved(
  { db, sql }: Pick<ServiceSetupPorts, "db" | "sql">,
  name: string,
  actor: Actor,
  now: number,
): void {
  db.transaction(() => {
    // Of two requests at a time, one deletes it.
    if (sql.service(name)?.state !== "live") return;
    sql.setServiceState(name, "removed");
    recordEvent(sql, { type: "service.deleted", actor, service: name }, now);
  });
}

/**
 * Sets up a service that the account has noted as being created. All of it can be repeated: a crash is mended by
 * creating the service again. Other services are not told anything.
 */
export async function setServiceUp(
  { db, sql, idempotency, claim, initialise }: ServiceSetupPorts,
  { name, default_environment: defaultEnvironment }: { name: string; default_environment?: string },
  actor: Actor,
  request: Idempotency | undefined,
): Promise<Result<ServiceDescription>> {
  const account = sql.account();
  if (!account) throw new Error("the account was never set up");
  const code = await claimCode(sql, (wanted) => claim(wanted, account.name, name), name);
  const config = accountConfig(account, sql.clusters());
  const initialised = await initialise({
    account: account.name,
    name,
    code,
    config,
    ...(defaultEnvironment === undefined ? {} : { defaultEnvironment }),
  });
  if (!initialised.ok) return initialised;
  db.transaction(() => {
    sql.setServiceState(name, "live");
    recordEvent(sql, { type: "service.created", actor, service: name }, Date.now());
    sql.setServiceConfigVersion(name, config.version);
    if (request) idempotency.keep(request, { result: initialised, subject: null }, Date.now());
  });
  return initialised;
}

async function claimCode(
  sql: AccountSql,
  claim: (code: string) => Promise<boolean>,
  service: string,
): Promise<string> {
  for (;;) {
    const code = sql.service(service)?.code ?? randomServiceCode();
    if (await claim(code)) return code;
    sql.setServiceCode(service, randomServiceCode());
  }
}

/** Says what there is instead. */
export function serviceNotFound(sql: Pick<AccountSql, "serviceNames">, name: string) {
  const names = sql.serviceNames().map((row) => row.name);
  return fail(
    "service_not_found",
    `service \`${name}\` not found; this account has ${listOf(nearest(name, names))}`,
  );
}

export const creationInProgress = fail(
  "idempotency_in_progress",
  "the first request with this Idempotency-Key is still running",
  { retryAfterSeconds: 1 },
);
