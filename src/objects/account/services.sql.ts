import type { ServiceLocation } from "../../domain/location.ts";
import type { Database } from "../database.ts";
import { keyset, namesBeyond, valuesBeyond } from "../keyset.sql.ts";
import type { Position } from "../page.ts";

export type ServiceRow = {
  seq: number;
  name: string;
  code: string;
  state: "creating" | "live" | "removed";
  created_at: number;
  /** What it has taken over; 0 as long as its first creation has not ended. */
  config_version: number;
  location: ServiceLocation;
};

/** The directory of services. */
export function servicesSql(db: Pick<Database, "all" | "first" | "run">) {
  return {
    service: (name: string) => db.first<ServiceRow>("SELECT * FROM services WHERE name = ?", name),
    /** Those that may have backends. */
    servicesWithBackends: (after: string, limit: number) =>
      db.all<{ code: string; service: string }>(
        "SELECT code, name AS service FROM services WHERE name > ? AND state != 'creating' ORDER BY name LIMIT ?",
        after,
        limit,
      ),
    /** In the order of their names. */
    serviceNamesAfter: (name: string, limit: number) =>
      db.all<{ name: string }>(
        "SELECT name FROM services WHERE name > ? AND state = 'live' ORDER BY name LIMIT ?",
        name,
        limit,
      ),
    /** Those on either side of a name. */
    serviceNamesAround: (name: string, limit: number) => {
      const side = (comparison: string, order: string) =>
        db.all<{ name: string }>(
          `SELECT name FROM services WHERE name ${comparison} ? AND state = 'live' ORDER BY name ${order} LIMIT ?`,
          name,
          limit,
        );
      return [...side("<", "DESC").reverse(), ...side(">=", "ASC")].map((row) => row.name);
    },
    servicesBeyond: ({ key, leadsBack }: Position<number>, limit: number) => {
      const { past, order } = keyset("seq", leadsBack);
      return db.all<ServiceRow>(
        `SELECT * FROM services WHERE state = 'live' AND ${past} ORDER BY ${order} LIMIT ?`,
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
    /** Services that run with an older configuration than the account's. */
    servicesBehind: () =>
      db.all<Pick<ServiceRow, "name">>(
        `SELECT name FROM services
         WHERE state != 'creating' AND config_version < (SELECT config_version FROM account)`,
      ),
    insertService: (row: Pick<ServiceRow, "name" | "code" | "created_at" | "location">) =>
      db.run(
        "INSERT INTO services (name, code, state, created_at, location) VALUES (?, ?, 'creating', ?, ?)",
        row.name,
        row.code,
        row.created_at,
        row.location,
      ),
    /** Creates a removed service anew: it keeps its code, and moves to the top of the list. */
    reviveService: (name: string, now: number) =>
      db.run(
        `UPDATE services SET state = 'creating', look_at = NULL, created_at = ?, seq = (SELECT max(seq) + 1 FROM services)
         WHERE name = ?`,
        now,
        name,
      ),
    setServiceCode: (name: string, code: string) =>
      db.run("UPDATE services SET code = ? WHERE name = ?", code, name),
    setServiceState: (name: string, state: ServiceRow["state"]) =>
      db.run("UPDATE services SET state = ? WHERE name = ?", state, name),
    setServiceRemoved: (name: string, lookAt: number) =>
      db.run("UPDATE services SET state = 'removed', look_at = ? WHERE name = ?", lookAt, name),
    /** Has a deleted service looked at again. */
    setServiceLookAt: (name: string, at: number) =>
      db.run("UPDATE services SET look_at = ? WHERE name = ? AND look_at IS NOT NULL", at, name),
    /** Deleted services that are to be looked at, the one that is due the longest first. */
    deletedServicesDue: (now: number, limit: number) =>
      db.all<Pick<ServiceRow, "name" | "code">>(
        "SELECT name, code FROM services WHERE look_at <= ? ORDER BY look_at LIMIT ?",
        now,
        limit,
      ),
    /** When the next of them is; null where there is none. */
    nextLookAtDeleted: () =>
      db.first<{ at: number }>(
        "SELECT look_at AS at FROM services WHERE look_at IS NOT NULL ORDER BY look_at LIMIT 1",
      )?.at ?? null,
    deletedServices: () =>
      db.first<{ count: number }>("SELECT count(*) AS count FROM services WHERE look_at IS NOT NULL")
        ?.count ?? 0,
    forgetService: (name: string) => {
      db.run("DELETE FROM services WHERE name = ?", name);
      db.run("DELETE FROM holdings WHERE service = ?", name);
    },
    setServiceConfigVersion: (name: string, version: number) =>
      db.run("UPDATE services SET config_version = max(config_version, ?) WHERE name = ?", version, name),
  };
}
