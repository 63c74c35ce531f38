import type { BackendStatus, TerminationReason } from "../../../domain/backends/status.ts";
import type { ServiceLocation } from "../../../domain/location.ts";
import type { Database, Migration } from "../../database.ts";
import { idempotencyMigration } from "../../idempotency.sql.ts";
import { artifactsMigration } from "./artifacts.sql.ts";
import { eventOutboxMigration } from "./event-outbox.sql.ts";
import { holdingsMigration } from "./holdings.sql.ts";
import { imagesByDigestMigration } from "./images.sql.ts";
import { massTerminationsMigration } from "./mass-terminations.sql.ts";
import { noticesMigration } from "./notices.sql.ts";
import { boundsMigration, protectionsMigration, resolvedDigestsMigration } from "./revisions.sql.ts";
import { usageMigration } from "./usage.sql.ts";

/**
 * Writes are the price of a spawn, and each index is one more: `backends` has one, which makes invariant 1 hold in the
 * database too. All else that is read of it is in memory (`../live-backends.ts`).
 */
export const serviceMigrations: readonly Migration[] = [
  {
    name: "service, environments, images, backends and deliveries",
    sql: `
      CREATE TABLE service (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        code TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        removed_at INTEGER,
        default_environment TEXT,
        fencing_ceiling INTEGER NOT NULL DEFAULT 0, -- tokens up to here may have been given out
        config TEXT NOT NULL, -- JSON: AccountConfig
        config_version INTEGER NOT NULL
      );
      CREATE TABLE environments (
        seq INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        cluster TEXT,
        settings TEXT NOT NULL, -- JSON: EnvironmentSettings
        image TEXT NOT NULL,
        revision INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        last_spawned_at INTEGER
      );
      CREATE TABLE revisions (
        environment INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        image TEXT NOT NULL,
        digest TEXT,
        kind TEXT NOT NULL,
        token_id TEXT NOT NULL,
        token_name TEXT NOT NULL,
        note TEXT,
        at INTEGER NOT NULL,
        PRIMARY KEY (environment, revision)
      ) WITHOUT ROWID;
      CREATE TABLE images (
        seq INTEGER PRIMARY KEY,
        digest TEXT NOT NULL UNIQUE,
        repository TEXT,
        media_type TEXT,
        pushed_at INTEGER NOT NULL
      );
      CREATE TABLE tags (
        tag TEXT PRIMARY KEY,
        digest TEXT NOT NULL,
        push INTEGER NOT NULL,
        claimed_at INTEGER
      ) WITHOUT ROWID;
      CREATE TABLE pushes (
        seq INTEGER PRIMARY KEY,
        digest TEXT NOT NULL,
        tag TEXT,
        repository TEXT,
        pushed_at INTEGER NOT NULL
      );
      CREATE TABLE backends (
        id TEXT PRIMARY KEY,
        environment TEXT NOT NULL,
        cluster TEXT NOT NULL,
        key TEXT,
        fencing_token INTEGER NOT NULL,
        digest TEXT NOT NULL,
        spec TEXT NOT NULL, -- JSON: BackendSpec
        created_at INTEGER NOT NULL,
        status TEXT NOT NULL,
        status_at INTEGER NOT NULL,
        reason TEXT,
        base_url TEXT,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_attempt_at INTEGER, -- of the spawn's delivery; null once it is acknowledged or of no use
        deadline_at INTEGER, -- of the present status
        untold INTEGER NOT NULL DEFAULT 0 -- the Backends shard must be told of the status
      ) WITHOUT ROWID;
      CREATE UNIQUE INDEX live_keys ON backends (environment, key) WHERE key IS NOT NULL AND status != 'terminated';
      CREATE TABLE deliveries (
        id TEXT PRIMARY KEY,
        type TEXT NOT NULL, -- backend.terminate, image.pinned
        cluster TEXT NOT NULL,
        backend TEXT,
        data TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_attempt_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL
      ) WITHOUT ROWID;
    `,
  },
  idempotencyMigration,
  usageMigration,
  eventOutboxMigration,
  massTerminationsMigration,
  {
    name: "which agent runs a backend",
    sql: "ALTER TABLE backends ADD COLUMN agent TEXT;",
  },
  {
    name: "keys that are held until an end is proven",
    sql: `
      ALTER TABLE backends ADD COLUMN held_at INTEGER; -- null: the key is held by what runs
      CREATE TABLE releases (
        backend TEXT PRIMARY KEY,
        at INTEGER NOT NULL
      ) WITHOUT ROWID;
    `,
  },
  holdingsMigration,
  boundsMigration,
  {
    name: "since when a deleted service is empty",
    sql: "ALTER TABLE service ADD COLUMN emptied_at INTEGER;",
  },
  resolvedDigestsMigration,
  noticesMigration,
  artifactsMigration,
  {
    name: "where the service is",
    sql: "ALTER TABLE service ADD COLUMN location TEXT NOT NULL DEFAULT 'auto';",
  },
  imagesByDigestMigration,
  protectionsMigration,
];

export type ServiceRow = {
  account: string;
  name: string;
  code: string;
  created_at: number;
  removed_at: number | null;
  default_environment: string | null;
  fencing_ceiling: number;
  config: string;
  config_version: number;
  /** Since when nothing of it lives that was deleted, as far as that was seen. */
  emptied_at: number | null;
  location: ServiceLocation;
};

export type EnvironmentRow = {
  seq: number;
  name: string;
  cluster: string | null;
  settings: string;
  image: string;
  revision: number;
  created_at: number;
  last_spawned_at: number | null;
  /** What it resolves to; null while nothing was pushed that the pin could mean. */
  digest: string | null;
};

export type BackendRow = {
  id: string;
  environment: string;
  cluster: string;
  key: string | null;
  fencing_token: number;
  digest: string;
  spec: string;
  created_at: number;
  status: BackendStatus;
  status_at: number;
  reason: TerminationReason | null;
  base_url: string | null;
  attempts: number;
  next_attempt_at: number | null;
  deadline_at: number | null;
  untold: number;
  /** The agent that has listed it; null while none has. */
  agent: string | null;
  /** Since when it is not known whether it still runs, and its key is held all the same; null otherwise. */
  held_at: number | null;
};

/** A backend's row as it is in memory. `spec` is null where it is too long for that. */
export type KeptBackend = Omit<BackendRow, "spec"> & { spec: string | null };

export type DeliveryRow = {
  id: string;
  type: "backend.terminate" | "image.pinned";
  cluster: string;
  backend: string | null;
  data: string;
  attempts: number;
  next_attempt_at: number;
  expires_at: number;
};

/** Without the rest, which is read when its turn has come. */
export type PendingDelivery = Pick<DeliveryRow, "id" | "cluster" | "backend" | "next_attempt_at">;

/** The service itself and its environments; revisions, images and backends have files of their own. */
export function serviceReads(db: Pick<Database, "all" | "first">) {
  return {
    service: () => db.first<ServiceRow>("SELECT * FROM service"),
    /** Oldest first. */
    environments: () => db.all<EnvironmentRow>("SELECT * FROM environments ORDER BY seq"),
    /** Those of these names that there are. */
    environmentsNamed: (names: readonly string[]) =>
      db.all<EnvironmentRow>(
        "SELECT * FROM environments WHERE name IN (SELECT value FROM json_each(?))",
        JSON.stringify(names),
      ),
  };
}
export type ServiceReads = ReturnType<typeof serviceReads>;

/** The writes of the same. @param environmentChanged called with the environment that a statement writes; null: with all */
export function serviceWrites(db: Pick<Database, "run">, environmentChanged: (name: string | null) => void) {
  return {
    insertService: (row: Omit<ServiceRow, "removed_at" | "emptied_at">) =>
      db.run(
        `INSERT INTO service
           (id, account, name, code, created_at, default_environment, fencing_ceiling, config, config_version, location)
         VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        row.account,
        row.name,
        row.code,
        row.created_at,
        row.default_environment,
        row.fencing_ceiling,
        row.config,
        row.config_version,
        row.location,
      ),
    reviveService: (now: number) =>
      db.run(
        "UPDATE service SET removed_at = NULL, emptied_at = NULL, created_at = ?, default_environment = NULL",
        now,
      ),
    /** @param at since when a deleted service is empty; null: it is not */
    setEmptied: (at: number | null) => db.run("UPDATE service SET emptied_at = ?", at),
    removeService: (now: number) => {
      environmentChanged(null);
      db.run("UPDATE service SET removed_at = ?", now);
      for (const table of [
        "environments",
        "revisions",
        "images",
        "tags",
        "artifact_tags",
        "pushes",
        "notices",
        "idempotency",
        "usage",
      ]) {
        db.run(`DELETE FROM ${table}`);
      }
    },
    setDefaultEnvironment: (name: string | null) =>
      db.run("UPDATE service SET default_environment = ?", name),
    setFencingCeiling: (ceiling: number) => db.run("UPDATE service SET fencing_ceiling = ?", ceiling),
    setConfig: (config: string, version: number) =>
      db.run("UPDATE service SET config = ?, config_version = ?", config, version),

    insertEnvironment: (row: Omit<EnvironmentRow, "seq" | "last_spawned_at">) => {
      environmentChanged(row.name);
      db.run(
        `INSERT INTO environments (seq, name, cluster, settings, image, revision, created_at, digest)
         VALUES ((SELECT 1 + max(coalesce((SELECT max(seq) FROM environments), 0),
                                 (SELECT last_environment FROM service))), ?, ?, ?, ?, ?, ?, ?)`,
        row.name,
        row.cluster,
        row.settings,
        row.image,
        row.revision,
        row.created_at,
        row.digest,
      );
    },
    updateEnvironment: (row: Pick<EnvironmentRow, "name" | "cluster" | "settings">) => {
      environmentChanged(row.name);
      db.run(
        "UPDATE environments SET cluster = ?, settings = ? WHERE name = ?",
        row.cluster,
        row.settings,
        row.name,
      );
    },
    /** What it is pinned to, and resolves to. */
    setPin: (row: Pick<EnvironmentRow, "seq" | "name" | "image" | "digest" | "revision">) => {
      environmentChanged(row.name);
      db.run(
        "UPDATE environments SET image = ?, digest = ?, revision = ? WHERE seq = ?",
        row.image,
        row.digest,
        row.revision,
        row.seq,
      );
    },
    /** Its number is given to no other: what was counted goes by it. */
    deleteEnvironment: (row: Pick<EnvironmentRow, "seq" | "name">) => {
      environmentChanged(row.name);
      db.run("UPDATE service SET last_environment = max(last_environment, ?)", row.seq);
      db.run("DELETE FROM environments WHERE seq = ?", row.seq);
      db.run("DELETE FROM revisions WHERE environment = ?", row.seq);
    },
  };
}
export type ServiceWrites = ReturnType<typeof serviceWrites>;
