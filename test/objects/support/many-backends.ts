import { runInDurableObject } from "cloudflare:test";
import { terminationRetryForMs } from "../../../src/domain/limits.ts";
import { evict } from "../../support/worker/clock.ts";
import { type Hello, value } from "./service.ts";

/**
 * Gives a service so many more live backends as if it had started each, all but one of them copies of that. Stops the clock
 * where it ran.
 * @param keyed whether each has a key of its own
 */
export async function addBackends(hello: Hello, count: number, keyed = false): Promise<void> {
  const { backendId } = value(await hello.connect(keyed ? { key: "doc-0" } : {}));
  await runInDurableObject(hello.service(), (_, { storage }) => {
    storage.sql.exec("UPDATE backends SET next_attempt_at = NULL").toArray();
    storage.sql
      .exec(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO backends (id, environment, cluster, key, fencing_token, digest, spec, created_at, status, status_at)
         SELECT substr(id, 1, 6) || printf('%07d', i), environment, cluster,
                CASE WHEN key IS NULL THEN NULL ELSE 'doc-' || i END, 1000 + i, digest, spec, created_at,
                'ready', status_at
         FROM backends, n WHERE id = ?`,
        count - 1,
        backendId,
      )
      .toArray();
  });
  // The object keeps in memory what it has read.
  await evict(hello.service());
}

/**
 * Gives a service so many more deliveries as if its cluster did not take them: terminations of backends that it may run,
 * none of them due before `at`, in milliseconds since the epoch.
 */
export async function addDeliveries(hello: Hello, count: number, at: number): Promise<void> {
  await runInDurableObject(hello.service(), (_, { storage }) => {
    storage.sql
      .exec(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO deliveries (id, type, cluster, backend, data, attempts, next_attempt_at, expires_at)
         SELECT 'gone' || i || '_terminate_hard', 'backend.terminate', 'main', 'gone' || i, '{}', 9, ?, ? FROM n`,
        count,
        at,
        at + terminationRetryForMs,
      )
      .toArray();
  });
  await evict(hello.service());
}
