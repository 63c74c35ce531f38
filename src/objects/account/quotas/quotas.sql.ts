import { type Quota, type QuotaName, quotaLimit, type ServiceQuota } from "../../../domain/quotas.ts";
import type { Database, Migration } from "../../database.ts";

/**
 * What is used is kept by triggers, so that no statement can forget it. What services hold they say themselves
 * (`holdings`): those that were there before are counted when it matters first.
 */
export const quotasMigration: Migration = {
  name: "quotas",
  sql: `
    CREATE TABLE quotas (
      name TEXT PRIMARY KEY,
      used INTEGER NOT NULL,
      max INTEGER -- null: the default
    ) WITHOUT ROWID;
    CREATE TABLE holdings ( -- how much of a quota a service has, or is about to have
      service TEXT NOT NULL,
      quota TEXT NOT NULL,
      used INTEGER NOT NULL,
      PRIMARY KEY (service, quota)
    ) WITHOUT ROWID;
    ALTER TABLE services ADD COLUMN counted INTEGER NOT NULL DEFAULT 0; -- whether its holdings are known
    UPDATE services SET counted = 1 WHERE state = 'removed';
    INSERT INTO quotas (name, used) VALUES
      ('services', (SELECT count(*) FROM services WHERE state != 'removed')),
      ('environments', 0),
      ('images', 0),
      ('tags', 0),
      ('pin_notes', 0),
      ('clusters', (SELECT count(*) FROM clusters)),
      ('tokens', (SELECT count(*) FROM tokens WHERE role != 'agent'));
    CREATE INDEX services_uncounted ON services (name) WHERE counted = 0;

    CREATE TRIGGER service_added AFTER INSERT ON services WHEN new.state != 'removed'
      BEGIN UPDATE quotas SET used = used + 1 WHERE name = 'services'; END;
    CREATE TRIGGER service_revived AFTER UPDATE OF state ON services WHEN old.state = 'removed' AND new.state != 'removed'
      BEGIN UPDATE quotas SET used = used + 1 WHERE name = 'services'; END;
    CREATE TRIGGER service_removed AFTER UPDATE OF state ON services WHEN old.state != 'removed' AND new.state = 'removed'
      BEGIN UPDATE quotas SET used = used - 1 WHERE name = 'services'; END;
    CREATE TRIGGER cluster_added AFTER INSERT ON clusters
      BEGIN UPDATE quotas SET used = used + 1 WHERE name = 'clusters'; END;
    CREATE TRIGGER cluster_deleted AFTER DELETE ON clusters
      BEGIN UPDATE quotas SET used = used - 1 WHERE name = 'clusters'; END;
    CREATE TRIGGER token_added AFTER INSERT ON tokens WHEN new.role != 'agent'
      BEGIN UPDATE quotas SET used = used + 1 WHERE name = 'tokens'; END;
    CREATE TRIGGER token_deleted AFTER DELETE ON tokens WHEN old.role != 'agent'
      BEGIN UPDATE quotas SET used = used - 1 WHERE name = 'tokens'; END;
    CREATE TRIGGER holding_added AFTER INSERT ON holdings
      BEGIN UPDATE quotas SET used = used + new.used WHERE name = new.quota; END;
    CREATE TRIGGER holding_changed AFTER UPDATE OF used ON holdings
      BEGIN UPDATE quotas SET used = used + new.used - old.used WHERE name = new.quota; END;
  `,
};

/** Those that the account counts; the registry counts the bytes. */
export type AccountQuota = Exclude<QuotaName, "untagged_bytes">;

export function quotasSql(db: Database) {
  return {
    /** With the limit that counts. */
    quota: (name: AccountQuota): Quota => {
      const row = db.first<{ used: number; max: number | null }>(
        "SELECT used, max FROM quotas WHERE name = ?",
        name,
      );
      return { used: row?.used ?? 0, limit: quotaLimit(name, row?.max ?? null) };
    },
    /** @param limit null: the default */
    setQuotaLimit: (name: AccountQuota, limit: number | null) =>
      db.run("UPDATE quotas SET max = ? WHERE name = ?", limit, name),

    holding: (service: string, quota: ServiceQuota) =>
      db.first<{ used: number }>("SELECT used FROM holdings WHERE service = ? AND quota = ?", service, quota)
        ?.used ?? 0,
    setHolding: (service: string, quota: ServiceQuota, used: number) =>
      db.run(
        `INSERT INTO holdings (service, quota, used) VALUES (?, ?, ?)
         ON CONFLICT (service, quota) DO UPDATE SET used = excluded.used WHERE used != excluded.used`,
        service,
        quota,
        used,
      ),
    setCounted: (service: string) => db.run("UPDATE services SET counted = 1 WHERE name = ?", service),
    isCounted: (service: string) =>
      db.first("SELECT 1 FROM services WHERE name = ? AND counted = 1", service) !== undefined,
    /** Services whose holdings are not known. */
    uncountedServices: (limit: number) =>
      db
        .all<{ name: string }>("SELECT name FROM services WHERE counted = 0 ORDER BY name LIMIT ?", limit)
        .map(({ name }) => name),
  };
}
export type QuotasSql = ReturnType<typeof quotasSql>;
