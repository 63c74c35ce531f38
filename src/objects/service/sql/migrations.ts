import type { Migration } from "../../database.ts";
import { idempotencyMigration } from "../../idempotency.sql.ts";
import { artifactsMigration } from "./artifacts.sql.ts";
import { changesMigration } from "./changes.sql.ts";
import { deploysMigration } from "./deploys.sql.ts";
import { drainsMigration } from "./drains.sql.ts";
import { eventOutboxMigration } from "./event-outbox.sql.ts";
import { holdingsMigration } from "./holdings.sql.ts";
import { imagesByDigestMigration } from "./images.sql.ts";
import { massTerminationsMigration } from "./mass-terminations.sql.ts";
import { noticesMigration } from "./notices.sql.ts";
import { distinctDigestsMigration, protectionsMigration } from "./protections.sql.ts";
import { boundsMigration, movesMigration, resolvedDigestsMigration } from "./revisions.sql.ts";
import { tagCountsMigration } from "./tag-counts.sql.ts";
import { usageBlocksMigration, usageMigration } from "./usage.sql.ts";

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
  tagCountsMigration,
  usageBlocksMigration,
  movesMigration,
  {
    // An index is written by each update of a column that it mentions: this one changes at the end alone.
    name: "keys by whether their backends have ended",
    sql: `
      ALTER TABLE backends ADD COLUMN ended INTEGER NOT NULL DEFAULT 0; -- 1: the status is 'terminated'
      UPDATE backends SET ended = 1 WHERE status = 'terminated';
      DROP INDEX live_keys;
      CREATE UNIQUE INDEX live_keys ON backends (environment, key) WHERE key IS NOT NULL AND ended = 0;
    `,
  },
  {
    name: "statuses that backends have gone through",
    // Those beyond scheduled, a line of JSON each; of an earlier version none.
    sql: "ALTER TABLE backends ADD COLUMN history TEXT NOT NULL DEFAULT '';",
  },
  distinctDigestsMigration,
  deploysMigration,
  changesMigration,
  drainsMigration,
];
