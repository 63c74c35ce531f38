import { goodSecrets, nextSecretEnd, rotatedSecrets } from "../../../domain/credentials/secret-rotation.ts";
import { earliest } from "../../../domain/deliveries/retry.ts";
import { secretRotationOverlapMs } from "../../../domain/limits.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { RotatedSecret } from "../../../protocol/v3/clusters.ts";
import type { Actor } from "../../contract.ts";
import type { AccountSql } from "../account.sql.ts";
import { recordEvent } from "../events/events.ts";
import { findCluster } from "./clusters.ts";
import { clusterConfig } from "./views.ts";

/** Adds a signing secret to a cluster, inside a transaction; services get it as a new configuration. */
export function rotateSecret(
  sql: AccountSql,
  name: string,
  signingSecret: string,
  actor: Actor,
  now: number,
): Result<Omit<RotatedSecret, "signing_secret">> {
  const found = findCluster(sql, name);
  if (!found.ok) return found;
  const { secrets } = clusterConfig(found.value);
  // Secrets are made from the Idempotency-Key: one that is used again after a day makes the same secret.
  if (secrets.some(({ secret }) => secret === signingSecret)) {
    return fail(
      "already_exists",
      "this Idempotency-Key has made a secret that signs already; use another key to rotate once more",
    );
  }
  sql.setSecrets(name, JSON.stringify(rotatedSecrets(secrets, signingSecret, now)));
  sql.bumpConfigVersion();
  recordEvent(sql, { type: "cluster.secret_rotated", actor, cluster: name }, now);
  return ok({ name, previous_valid_until: isoTime(now + secretRotationOverlapMs) });
}

/** Drops the secrets that are over, inside a transaction. */
export function dropSpentSecrets(sql: AccountSql, now: number): void {
  for (const row of sql.clusters()) {
    const { secrets } = clusterConfig(row);
    const good = goodSecrets(secrets, now);
    if (good.length === secrets.length) continue;
    sql.setSecrets(row.name, JSON.stringify(good));
    sql.bumpConfigVersion();
  }
}

/** When the next secret of the account is over, in milliseconds since the epoch; null where none will be. */
export function nextEndOfSecrets(sql: AccountSql): number | null {
  return earliest(sql.clusters().map((row) => nextSecretEnd(clusterConfig(row).secrets)));
}
