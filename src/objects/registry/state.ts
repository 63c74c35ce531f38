import { isManifestUsed, unreferencedSince } from "../../domain/registry/collection.ts";
import { Database } from "../database.ts";
import { blobsSql } from "./blobs.sql.ts";
import { manifestsSql } from "./manifests.sql.ts";
import { registryMigrations, registrySql } from "./registry.sql.ts";

/** A registry's storage, and the marks by which collection finds what nothing needs. */
export class RegistryState {
  readonly db: Database;
  readonly sql: ReturnType<typeof registrySql> &
    ReturnType<typeof blobsSql> &
    ReturnType<typeof manifestsSql>;

  constructor(storage: DurableObjectStorage) {
    this.db = new Database(storage, registryMigrations);
    this.sql = { ...registrySql(this.db), ...blobsSql(this.db), ...manifestsSql(this.db) };
  }

  /** Runs `action` in a transaction, with the tables made if these are the account's first images. */
  write<T>(account: string, action: () => T): T {
    if (!this.db.ready) this.db.migrate();
    return this.db.transaction(() => {
      if (!this.sql.registry()) this.sql.insertRegistry(account);
      return action();
    });
  }

  /** Notes since when a manifest, if it is there, has been without use. */
  markManifest(repository: string, digest: string, now: number): void {
    const row = this.sql.manifest(repository, digest);
    if (!row) return;
    const isUsed = isManifestUsed({
      hasTag: this.sql.hasTag(repository, digest),
      hasParent: this.sql.referringTo(repository, digest) !== undefined,
      hasSubject: row.subject !== null && this.sql.manifest(repository, row.subject) !== undefined,
    });
    const since = unreferencedSince(isUsed, row.unreferenced_since, now);
    this.sql.setManifestUnreferenced(repository, digest, since);
  }

  /** Notes since when a repository's blob, if it has it, has been without use. */
  markLink(repository: string, digest: string, now: number): void {
    const row = this.sql.link(repository, digest);
    if (!row) return;
    const isUsed = this.sql.referringTo(repository, digest) !== undefined;
    this.sql.setLinkUnreferenced(repository, digest, unreferencedSince(isUsed, row.unreferenced_since, now));
  }

  /** Marks what a manifest refers to and what is about it, after the manifest came or went. */
  markAround(repository: string, digest: string, refs: readonly string[], now: number): void {
    for (const ref of refs) {
      this.markLink(repository, ref, now);
      this.markManifest(repository, ref, now);
    }
    for (const referrer of this.sql.withSubject(repository, digest)) {
      this.markManifest(repository, referrer.digest, now);
    }
  }
}
