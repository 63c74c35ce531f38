import {
  type EndedReads,
  type EndPosition,
  endedPage,
  readsForPage,
  type ShardEnds,
} from "../../../domain/backends/ended-pages.ts";
import { idAlphabet } from "../../../domain/ids.ts";
import { endedReadForPage } from "../../../domain/limits.ts";
import { ok, type Result } from "../../../domain/result.ts";
import type { Backend, BackendQuery } from "../../../protocol/v3/backends.ts";
import type { Page } from "../../../protocol/v3/list.ts";
import type { BackendWithStatus } from "../../contract.ts";
import type { Env } from "../../env.ts";
import { cursorBack, type Keys, readCursor } from "../../page.ts";
import { backendsStub } from "../../stubs.ts";
import { placeOf } from "../place.ts";
import type { ServiceRow } from "../sql/service.sql.ts";
import { backendView } from "./backend-view.ts";

/** The last end first. */
const lastEndFirst: Keys<EndPosition> = {
  start: { endedAt: 999_999_999_999_999, fencingToken: 0 },
  parse: (text) => {
    const [, endedAt, token] = /^(\d{1,15})-(\d{1,15})$/.exec(text) ?? [];
    return endedAt === undefined ? null : { endedAt: Number(endedAt), fencingToken: Number(token) };
  },
};

function cursorOf({ endedAt, fencingToken }: EndPosition): string {
  return `${endedAt}-${fencingToken}`;
}

/**
 * A page of ended backends, the last end first, from every shard; `endedPage` has its rule. With a filter that matches few it
 * may hold less than its limit, or nothing, and have pages on either side all the same.
 */
export async function pageOfEnded(
  env: Env,
  service: ServiceRow,
  query: BackendQuery,
  allowedEnvironments: readonly string[] | undefined,
): Promise<Result<Page<Backend>>> {
  const begin = readCursor(query, lastEndFirst);
  if (!begin.ok) return begin;
  const from = begin.value;
  const place = placeOf(service);
  const { limit } = query;
  const shards = Array.from(
    idAlphabet,
    (): ShardEnds<BackendWithStatus> => ({ found: [], readTo: from.key }),
  );
  const scope = { limit, shards: shards.length, lookAtMost: endedReadForPage };
  let page = endedPage(from, shards, limit);
  let looked = 0;
  for (let rounds = 0; ; rounds += 1) {
    const reads = readsForPage(page, scope, { rounds, looked });
    if (reads === null) break;
    await Promise.all(reads.shards.map((i) => readOn(i, reads)));
    page = endedPage(from, shards, limit);
  }
  return ok({
    items: page.shown.map(backendView),
    next: page.next && cursorOf(page.next),
    previous: page.previous && cursorBack(cursorOf(page.previous)),
  });

  async function readOn(shard: number, { atMost, lookAtMost }: EndedReads): Promise<void> {
    const { found, readTo } = shards[shard] ?? {};
    if (!found || !readTo) return;
    const stub = backendsStub(env, place, `${service.code}${idAlphabet.charAt(shard)}0000000`);
    const beyond = { key: readTo, leadsBack: from.leadsBack };
    using more = await stub.ended({ query, beyond, atMost, lookAtMost, allowedEnvironments });
    looked += more.looked;
    const positioned = more.backends.map(({ info, status }) => ({
      info,
      status,
      position: { endedAt: status.time, fencingToken: info.fencingToken },
    }));
    shards[shard] = { found: [...found, ...positioned], readTo: more.readTo };
  }
}
