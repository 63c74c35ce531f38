import { runInDurableObject } from "cloudflare:test";

/**
 * How many attempts a Service object has recorded of each webhook that it still has to deliver, by the webhook's id. A
 * cluster has answered before that is written: a test that lets the clock jump waits for it first.
 */
export function pendingWebhooks(service: DurableObjectStub): Promise<Record<string, number>> {
  return runInDurableObject(service, (_, { storage }) => {
    const rows = storage.sql.exec<{ id: string; attempts: number }>(
      `SELECT id, attempts FROM deliveries
       UNION ALL SELECT id || '_spawn', attempts FROM backends WHERE next_attempt_at IS NOT NULL`,
    );
    return Object.fromEntries(rows.toArray().map(({ id, attempts }) => [id, attempts]));
  });
}
