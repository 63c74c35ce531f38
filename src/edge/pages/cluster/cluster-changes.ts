import type { Env } from "../../../objects/env.ts";
import { accountNews } from "../../streams/news.ts";
import { ticking } from "../../streams/ticking.ts";

/** As often as agents send heartbeats, which are no events of the account. */
const heartbeatIntervalMs = 10_000;

/** Emits when a page that shows clusters may have changed: with each event of the account, and with heartbeats. */
export function clusterChanges(env: Env, account: string) {
  return ticking(accountNews(env, account), heartbeatIntervalMs);
}
