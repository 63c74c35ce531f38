import { checkDeletedServices } from "../../domain/deleted-services.ts";
import { serviceCode, serviceCodeLength } from "../../domain/ids.ts";
import { deletedServicesSeenEveryMs, serviceNamesPerCall } from "../../domain/limits.ts";
import { chooseLocation } from "../../domain/location.ts";
import { listOf, nearest } from "../../domain/names.ts";
import { type Holdings, nothingHeld } from "../../domain/quotas.ts";
import { fail, ok, type Result } from "../../domain/result.ts";
import { isoTime } from "../../protocol/primitives.ts";
import type { Page, SearchQuery } from "../../protocol/v3/list.ts";
import type {
  Actor,
  Caller,
  Idempotency,
  ListedService,
  NewServiceBody,
  PlacedService,
  ServiceDescription,
} from "../contract.ts";
import { type Keys, newestFirst, pageAt } from "../page.ts";
import { handedOn } from "../rpc.ts";
import type { AccountSql } from "./account.sql.ts";
import { syncConfig } from "./clusters/config-sync.ts";
import { accountConfig } from "./clusters/views.ts";
import { nextLook } from "./deleted-services.ts";
import { recordEvent } from "./events/events.ts";
import type { AccountPorts } from "./ports.ts";
import { checkOneMore, claimHoldings, countServices, keepHoldings } from "./quotas/quotas.ts";
import type { ServiceRow } from "./rows.ts";
import { type AccountState, noAccount } from "./state.ts";

/** Creates a service of its own object. Of two requests for one name at a time, the second is refused. */
export async function createService(
  ports: AccountPorts,
  body: NewServiceBody,
  caller: Caller,
): Promise<Result<ServiceDescription>> {
  const { state } = ports;
  const { name } = body;
  await countServices(ports);
  await state.forgetting.get(name);
  if (state.creating.has(name)) return caller.idempotency ? creationInProgress : serviceExists(name);
  const begun = state.change(undefined, (_, now) => beginService(state, body, caller.idempotency, now));
  if (!begun.ok) return begun;
  if (begun.value.replay) return begun.value.replay;
  state.creating.add(name);
  try {
    const created = await setServiceUp(ports, body, caller);
    if (created.ok) await syncConfig(ports);
    return created;
  } finally {
    state.creating.delete(name);
  }
}

/** Deletes a service with its images: its backends end, and it leaves the list last, so that a crash can be repeated. */
export async function deleteService(
  { state, alarm, service, registry }: Pick<AccountPorts, "state" | "alarm" | "service" | "registry">,
  name: string,
  actor: Actor,
): Promise<Result<null>> {
  const account = state.account();
  if (!account) return noAccount();
  if (state.sql.service(name)?.state !== "live") return serviceNotFound(state.sql, name);
  const removed = handedOn(await service(account.name, name).remove());
  // One that is gone already was removed by an attempt that was cut short.
  if (!removed.ok && removed.error.code !== "service_not_found") return removed;
  await registry(account.name).removeRepository({ account: account.name, service: name });
  setServiceRemoved(state, name, actor, Date.now());
  alarm.noLaterThan(nextLook(state.sql, Date.now()));
  return ok(null);
}

/** A code that a new service may claim at the directory. */
function randomServiceCode(): string {
  return serviceCode(crypto.getRandomValues(new Uint8Array(serviceCodeLength)));
}

/**
 * Notes, inside a transaction, that a service is being created, unless there is one of its name or the request was
 * answered before.
 */
function beginService(
  { sql, idempotency }: Pick<AccountState, "sql" | "idempotency">,
  { name, location: requested, near }: NewServiceBody,
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
  const location = chooseLocation(name, requested, near, row?.location);
  if (!location.ok) return location;
  if (row?.state !== "creating") {
    const checked = row ? ok(null) : checkDeletedServices(sql.deletedServices());
    if (!checked.ok) return checked;
    const counted = checkOneMore(sql, "services");
    if (!counted.ok) return counted;
    const claimed = claimHoldings(sql, name, heldFromTheStart, false);
    if (!claimed.ok) return claimed;
  }
  if (!row) {
    sql.insertService({ name, code: randomServiceCode(), created_at: now, location: location.value });
  } else if (row.state === "removed") sql.reviveService(name, now);
  sql.setCounted(name);
  return ok({ replay: null });
}

/** A service is born with an environment. */
const heldFromTheStart: Holdings = { ...nothingHeld, environments: 1 };

function serviceExists(name: string) {
  return fail("already_exists", `service \`${name}\` exists already`);
}

/** Takes a service whose own object has forgotten everything out of the list. */
function setServiceRemoved(
  { db, sql }: Pick<AccountState, "db" | "sql">,
  name: string,
  actor: Actor,
  now: number,
): void {
  db.transaction(() => {
    // Of two requests at a time, one deletes it.
    if (sql.service(name)?.state !== "live") return;
    sql.setServiceRemoved(name, now + deletedServicesSeenEveryMs);
    keepHoldings(sql, name, nothingHeld);
    recordEvent(sql, { type: "service.deleted", actor, service: name }, now);
  });
}

/**
 * Sets up a service that the account has noted as being created. All of it can be repeated: a crash is mended by
 * creating the service again. Other services are not notified.
 */
async function setServiceUp(
  ports: Pick<AccountPorts, "state" | "directory" | "newService">,
  { name, default_environment: defaultEnvironment }: NewServiceBody,
  { actor, idempotency: request }: Caller,
): Promise<Result<ServiceDescription>> {
  const { db, sql, idempotency } = ports.state;
  const account = sql.account();
  if (!account) throw new Error("the account was never set up");
  const location = sql.service(name)?.location ?? "auto";
  const placed = { account: account.name, service: name, location };
  const code = await claimCode(ports, placed);
  const config = accountConfig(account, sql.clusters());
  const service = {
    account: account.name,
    name,
    code,
    location,
    config,
    fencingFloor: account.fencing_floor,
    ...(defaultEnvironment === undefined ? {} : { defaultEnvironment }),
  };
  const initialised = handedOn(await ports.newService(placed).initialise(service, { actor }));
  if (!initialised.ok) return initialised;
  db.transaction(() => {
    sql.setServiceState(name, "live");
    recordEvent(sql, { type: "service.created", actor, service: name }, Date.now());
    sql.setServiceConfigVersion(name, config.version);
    if (request) idempotency.keep(request, { result: initialised, subject: null }, Date.now());
  });
  return initialised;
}

/** Claims a code at the directory: another one, until none but this service has it. */
async function claimCode(
  { state, directory }: Pick<AccountPorts, "state" | "directory">,
  service: PlacedService,
): Promise<string> {
  for (;;) {
    const code = state.sql.service(service.service)?.code ?? randomServiceCode();
    if (await directory(code).claim(code, service)) return code;
    state.sql.setServiceCode(service.service, randomServiceCode());
  }
}

/**
 * @param orHad whether one that was deleted counts, also while it is created anew. One that is being created for the first
 *   time does not: whoever called its object before its creation does would place it
 */
export function hasService(sql: Pick<AccountSql, "service">, name: string, orHad: boolean): boolean {
  const row = sql.service(name);
  return row?.state === "live" || (orHad && row !== undefined && row.config_version > 0);
}

const serviceNames: Keys<string> = {
  start: "",
  parse: (text) => (/^[\w-]{1,100}$/.test(text) ? text : null),
};

/** A page of services, newest first; of those that are searched, by name. */
export function listServices(
  state: Pick<AccountState, "sql" | "page">,
  { search, ...query }: SearchQuery,
): Result<Page<ListedService>> {
  const item = (row: ServiceRow) => ({
    name: row.name,
    created_at: isoTime(row.created_at),
    location: row.location,
  });
  if (search === undefined) {
    return state.page(query, newestFirst, (from) =>
      pageAt(from, query.limit, { read: state.sql.servicesBeyond, keyOf: ({ seq }) => seq, item }),
    );
  }
  return state.page(query, serviceNames, (from) =>
    pageAt(from, query.limit, {
      read: (beyond, atMost) => state.sql.servicesNamed(search, beyond, atMost),
      keyOf: ({ name }) => name,
      item,
    }),
  );
}

/** The next names after one, in their order. */
export function serviceNamesAfter(sql: Pick<AccountSql, "serviceNamesAfter">, after: string): string[] {
  return sql.serviceNamesAfter(after, serviceNamesPerCall).map(({ name }) => name);
}

/** Those are compared with a name that there is none of, on either side of it. */
const namesCompared = 500;

/** The services whose names are the nearest to one, of those that begin as it does. */
export function nearestServices(sql: Pick<AccountSql, "serviceNamesAround">, name: string): string[] {
  return nearest(name, sql.serviceNamesAround(name, namesCompared));
}

/** Says what there is instead. */
export function serviceNotFound(sql: Pick<AccountSql, "serviceNamesAround">, name: string) {
  return fail(
    "service_not_found",
    `service \`${name}\` not found; this account has ${listOf(nearestServices(sql, name))}`,
  );
}

const creationInProgress = fail(
  "idempotency_in_progress",
  "the first request with this Idempotency-Key is still running",
  { retryAfterSeconds: 1 },
);
