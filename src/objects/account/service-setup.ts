import { serviceCode, serviceCodeLength } from "../../domain/ids.ts";
import { fail, type Result } from "../../domain/result.ts";
import type { Idempotency, ServiceDescription } from "../contract.ts";
import type { Database } from "../database.ts";
import type { IdempotencySql } from "../idempotency.sql.ts";
import type { NewService } from "../service/setup.ts";
import type { AccountSql } from "./account.sql.ts";
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
export function randomServiceCode(): string {
  return serviceCode(crypto.getRandomValues(new Uint8Array(serviceCodeLength)));
}

/**
 * Sets up a service that the account has noted as being created. All of it can be repeated: a crash is mended by
 * creating the service again. Other services are not told anything.
 */
export async function setServiceUp(
  { db, sql, idempotency, claim, initialise }: ServiceSetupPorts,
  { name, default_environment: defaultEnvironment }: { name: string; default_environment?: string },
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

export const creationInProgress = fail(
  "idempotency_in_progress",
  "the first request with this Idempotency-Key is still running",
  { retryAfterSeconds: 1 },
);
