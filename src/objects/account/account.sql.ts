import type { Fence } from "../../domain/backends/fence.ts";
import type { Database, Migration } from "../database.ts";
import { idempotencyMigration } from "../idempotency.sql.ts";
import {
  credentialsSql,
  expiryMigration,
  linksOfSessionsMigration,
  rightsMigration,
  sessionsMigration,
} from "./credentials/credentials.sql.ts";
import { eventKindsMigration, eventsMigration, eventsSql } from "./events/events.sql.ts";
import { listsSql } from "./lists.sql.ts";
import { quotasMigration, quotasSql } from "./quotas/quotas.sql.ts";
import type { ClusterRow, ServiceRow, TokenRow } from "./rows.ts";

export const accountMigrations: readonly Migration[] = [
  {
    name: "account, tokens, clusters and the directory of services",
    sql: `
      CREATE TABLE account (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        name TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        default_cluster TEXT,
        config_version INTEGER NOT NULL DEFAULT 1
      );
      CREATE TABLE tokens (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        secret_hash TEXT NOT NULL,
        name TEXT NOT NULL,
        role TEXT NOT NULL,
        service TEXT,
        environments TEXT, -- JSON list
        cluster TEXT,
        created_at INTEGER NOT NULL,
        expires_at INTEGER
      );
      CREATE TABLE clusters (
        seq INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        webhook_url TEXT NOT NULL,
        backend_url_template TEXT,
        ack TEXT NOT NULL,
        secrets TEXT NOT NULL, -- JSON: ClusterConfig["secrets"]
        created_at INTEGER NOT NULL,
        deleting INTEGER NOT NULL DEFAULT 0
      );
      CREATE TABLE services (
        seq INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        code TEXT NOT NULL,
        state TEXT NOT NULL, -- creating, live, removed
        created_at INTEGER NOT NULL,
        config_version INTEGER NOT NULL DEFAULT 0 -- what the service has taken over
      );
    `,
  },
  idempotencyMigration,
  {
    name: "registrations of clusters, and whether they drain",
    sql: `
      ALTER TABLE clusters ADD COLUMN registration INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE clusters ADD COLUMN draining INTEGER NOT NULL DEFAULT 0;
    `,
  },
  sessionsMigration,
  eventsMigration,
  eventKindsMigration,
  linksOfSessionsMigration,
  {
    name: "what frees the keys of a silent cluster",
    sql: "ALTER TABLE clusters ADD COLUMN fence TEXT NOT NULL DEFAULT 'lease';",
  },
  quotasMigration,
  expiryMigration,
  {
    name: "deleted services are forgotten",
    sql: `
      ALTER TABLE services ADD COLUMN look_at INTEGER; -- when to see whether one that was deleted may be forgotten
      UPDATE services SET look_at = 0 WHERE state = 'removed';
      CREATE INDEX services_deleted ON services (look_at) WHERE look_at IS NOT NULL;
      ALTER TABLE account ADD COLUMN fencing_floor INTEGER NOT NULL DEFAULT 0;
    `,
  },
  {
    name: "where services are",
    sql: "ALTER TABLE services ADD COLUMN location TEXT NOT NULL DEFAULT 'auto';",
  },
  rightsMigration,
];

export type AccountRow = {
  name: string;
  created_at: number;
  default_cluster: string | null;
  config_version: number;
  /** Forgotten services may have given out fencing tokens up to here. */
  fencing_floor: number;
};

/** Called at every write of a kind, before it is committed. */
export interface AccountWatchers {
  eventWritten(): void;
  /** Of a credential that expires, or the record of a request. */
  expiringWritten(): void;
}

export function accountSql(db: Database, { eventWritten, expiringWritten }: AccountWatchers) {
  const expiring = db.watched(expiringWritten);
  return {
    ...eventsSql(db.watched(eventWritten)),
    ...credentialsSql(expiring),
    ...quotasSql(db),
    ...listsSql(db),
    account: () =>
      db.first<AccountRow>(
        "SELECT name, created_at, default_cluster, config_version, fencing_floor FROM account",
      ),
    raiseFencingFloor: (to: number) => db.run("UPDATE account SET fencing_floor = max(fencing_floor, ?)", to),
    insertAccount: (name: string, now: number) =>
      db.run("INSERT INTO account (id, name, created_at) VALUES (1, ?, ?)", name, now),
    setDefaultCluster: (name: string | null) => db.run("UPDATE account SET default_cluster = ?", name),
    bumpConfigVersion: () => db.run("UPDATE account SET config_version = config_version + 1"),

    token: (id: string) => db.first<TokenRow>("SELECT * FROM tokens WHERE id = ?", id),
    insertToken: (row: Omit<TokenRow, "seq">) =>
      expiring.run(
        `INSERT INTO tokens (id, secret_hash, name, role, service, environments, cluster, created_at, expires_at,
           rights, makers, maker_name)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        row.id,
        row.secret_hash,
        row.name,
        row.role,
        row.service,
        row.environments,
        row.cluster,
        row.created_at,
        row.expires_at,
        row.rights,
        row.makers,
        row.maker_name,
      ),
    deleteToken: (id: string) => db.run("DELETE FROM tokens WHERE id = ?", id),
    deleteTokensOfCluster: (cluster: string) => db.run("DELETE FROM tokens WHERE cluster = ?", cluster),
    /** Tokens with which the account can be administered for good. */
    lastingAdmins: () =>
      db.all<{ id: string }>(
        "SELECT id FROM tokens WHERE role = 'admin' AND service IS NULL AND expires_at IS NULL",
      ),

    cluster: (name: string) => db.first<ClusterRow>("SELECT * FROM clusters WHERE name = ?", name),
    clusters: () => db.all<ClusterRow>("SELECT * FROM clusters ORDER BY seq"),
    insertCluster: (row: Omit<ClusterRow, "seq" | "deleting" | "draining" | "fence">) =>
      db.run(
        `INSERT INTO clusters (name, webhook_url, backend_url_template, ack, secrets, created_at, registration)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
        row.name,
        row.webhook_url,
        row.backend_url_template,
        row.ack,
        row.secrets,
        row.created_at,
        row.registration,
      ),
    updateCluster: (row: Pick<ClusterRow, "name" | "webhook_url" | "backend_url_template" | "ack">) =>
      db.run(
        "UPDATE clusters SET webhook_url = ?, backend_url_template = ?, ack = ? WHERE name = ?",
        row.webhook_url,
        row.backend_url_template,
        row.ack,
        row.name,
      ),
    setSecrets: (name: string, secrets: string) =>
      db.run("UPDATE clusters SET secrets = ? WHERE name = ?", secrets, name),
    setDeleting: (name: string, deleting: boolean) =>
      db.run("UPDATE clusters SET deleting = ? WHERE name = ?", deleting ? 1 : 0, name),
    setDraining: (name: string, draining: boolean) =>
      db.run("UPDATE clusters SET draining = ? WHERE name = ?", draining ? 1 : 0, name),
    setFence: (name: string, fence: Fence) =>
      db.run("UPDATE clusters SET fence = ? WHERE name = ?", fence, name),
    deleteCluster: (name: string) => db.run("DELETE FROM clusters WHERE name = ?", name),

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
export type AccountSql = ReturnType<typeof accountSql>;
