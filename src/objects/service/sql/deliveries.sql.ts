import type { Database } from "../../database.ts";
import type { DeliveryRow, PendingDelivery } from "./service.sql.ts";

/** The deliveries of everything but spawns, which are in the rows of their backends. */
export function deliveriesReads(db: Pick<Database, "all" | "first">) {
  return {
    delivery: (id: string) => db.first<DeliveryRow>("SELECT * FROM deliveries WHERE id = ?", id),
    /** What is indexed of deliveries. @param ids null: of all that are kept */
    pendingDeliveries: (ids: readonly string[] | null) => {
      const which = ids === null ? "" : "WHERE id IN (SELECT value FROM json_each(?))";
      return db.all<PendingDelivery>(
        `SELECT id, cluster, backend, next_attempt_at FROM deliveries ${which}`,
        ...(ids === null ? [] : [JSON.stringify(ids)]),
      );
    },
  };
}
export type DeliveriesReads = ReturnType<typeof deliveriesReads>;

/** The writes of the same. @param changed called with the deliveries that a statement writes */
export function deliveriesWrites(db: Pick<Database, "run">, changed: (ids: readonly string[]) => void) {
  return {
    insertDelivery: (row: Omit<DeliveryRow, "attempts"> & Partial<DeliveryRow>) => {
      changed([row.id]);
      db.run(
        `INSERT INTO deliveries (id, type, cluster, backend, data, attempts, next_attempt_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
        row.id,
        row.type,
        row.cluster,
        row.backend,
        row.data,
        row.attempts ?? 0,
        row.next_attempt_at,
        row.expires_at,
      );
    },
    /** Schedules a delivery's next attempt. @param attempts how many were made */
    retryDelivery: (id: string, attempts: number, at: number) => {
      changed([id]);
      db.run("UPDATE deliveries SET attempts = ?, next_attempt_at = ? WHERE id = ?", attempts, at, id);
    },
    /** Those of these ids that are kept. */
    deleteDeliveries: (ids: readonly string[]) => {
      changed(ids);
      db.run("DELETE FROM deliveries WHERE id IN (SELECT value FROM json_each(?))", JSON.stringify(ids));
    },
  };
}
export type DeliveriesWrites = ReturnType<typeof deliveriesWrites>;
