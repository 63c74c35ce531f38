import type { BackendStatus, TerminationReason } from "../../../domain/backends/status.ts";
import type { ServiceLocation } from "../../../domain/location.ts";
import type { Database } from "../../database.ts";

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
  /** The move of an environment up to which all are announced (`moved_at`). */
  announced_until: number;
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
  /** When it came to resolve to that, and a number: greater than that of every move before, of any environment. */
  moved_at: number;
  /** The host of this registry, as whoever moved it names it. */
  registry_host: string;
  /** The revision since which it resolves to that, without a break. */
  stay: number;
  /** When that began, in milliseconds since the epoch. */
  since: number;
  /** JSON of `Stop`; null: it is not stopped. */
  stopped: string | null;
  /** The tag that it followed until it was rolled back; null where it follows one, or was pinned since. */
  followed: string | null;
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
  /** 1 where the status is `terminated`; what the index of keys depends on, in its place. */
  ended: number;
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
    insertService: (row: Omit<ServiceRow, "removed_at" | "emptied_at" | "announced_until">) =>
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
        "many_tags",
        "tags",
        "artifact_tags",
        "pushes",
        "notices",
        "arms",
        "checks",
        "rejections",
        "candidates",
        "changes",
        "idempotency",
        "usage",
      ]) {
        db.run(`DELETE FROM ${table}`);
      }
    },
    setDefaultEnvironment: (name: string | null) =>
      db.run("UPDATE service SET default_environment = ?", name),
    setFencingCeiling: (ceiling: number) => db.run("UPDATE service SET fencing_ceiling = ?", ceiling),
    /** @param until the move of an environment up to which all are announced */
    setAnnounced: (until: number) => db.run("UPDATE service SET announced_until = ?", until),
    setConfig: (config: string, version: number) =>
      db.run("UPDATE service SET config = ?, config_version = ?", config, version),
    insertEnvironment: (row: Omit<EnvironmentRow, "seq" | "last_spawned_at" | "stopped" | "followed">) => {
      environmentChanged(row.name);
      db.run(
        `INSERT INTO environments
           (seq, name, cluster, settings, image, revision, created_at, digest, moved_at, registry_host, stay, since)
         VALUES ((SELECT 1 + max(coalesce((SELECT max(seq) FROM environments), 0),
                                 (SELECT last_environment FROM service))), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        row.name,
        row.cluster,
        row.settings,
        row.image,
        row.revision,
        row.created_at,
        row.digest,
        row.moved_at,
        row.registry_host,
        row.stay,
        row.since,
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
