import type { Env } from "../../../objects/env.ts";
import { accountChanges } from "../../streams/changes.ts";
import { ticking } from "../../streams/ticking.ts";

/** The interval of heartbeats, which are not events of the account. */
const heartbeatIntervalMs = 10_000;

/** Emits when a page that shows clusters may have changed: with each event of the account, and with heartbeats. */
export function clusterChanges(env: Env, account: string) {
  return ticking(accountChanges(env, account), heartbeatIntervalMs);
}
