import { type EndPosition, endedPage, type ShardEnds } from "../../../domain/backends/ended-pages.ts";
import { idAlphabet } from "../../../domain/ids.ts";
import { endedReadForPage } from "../../../domain/limits.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type { Backend, BackendQuery } from "../../../protocol/v3/backends.ts";
import type { Page } from "../../../protocol/v3/list.ts";
import type { BackendWithStatus } from "../../contract.ts";
import type { Env } from "../../env.ts";
import { backendsStub } from "../../stubs.ts";
import { placeOf } from "../place.ts";
import type { ServiceRow } from "../sql/service.sql.ts";
import { backendView } from "./backend-view.ts";

const endCursor = /^(\d{1,15})-(\d{1,15})$/;

/**
 * A page of ended backends, the last end first, from every shard. Each is asked for little more than its share; those whose share
 * is greater are asked again, for the whole page in the end. With a filter that matches few it may hold less than its limit, or
 * nothing, and have a next page all the same.
 */
export async function pageOfEnded(
  env: Env,
  service: ServiceRow,
  query: BackendQuery,
  allowedEnvironments: readonly string[] | undefined,
): Promise<Result<Page<Backend>>> {
  const [, endedAt, token] = endCursor.exec(query.cursor ?? `${"9".repeat(15)}-0`) ?? [];
  if (endedAt === undefined || token === undefined) {
    return fail("bad_request", "`cursor` is not one that a list gave");
  }
  const begin: EndPosition = { endedAt: Number(endedAt), fencingToken: Number(token) };
  const place = placeOf(service);
  const { limit } = query;
  const shards = Array.from(idAlphabet, (): ShardEnds<BackendWithStatus> => ({ found: [], readTo: begin }));
  const share = Math.ceil((limit + 1) / shards.length) + 1;
  const lookAtMost = Math.ceil(endedReadForPage / shards.length);
  let page = endedPage(shards, limit);
  let looked = 0;
  for (const atMost of [share, 2 * share, limit + 1]) {
    if (looked >= endedReadForPage) break;
    await Promise.all(page.behind.map((i) => readOn(i, atMost)));
    page = endedPage(shards, limit);
  }
  return ok({
    items: page.shown.map(backendView),
    next: page.next && `${page.next.endedAt}-${page.next.fencingToken}`,
    previous: null,
  });

  async function readOn(shard: number, atMost: number): Promise<void> {
    const { found, readTo: before } = shards[shard] ?? {};
    if (!found || !before) return;
    const stub = backendsStub(env, place, `${service.code}${idAlphabet.charAt(shard)}0000000`);
    const wanted = { atMost, lookAtMost: Math.max(atMost, lookAtMost) };
    using more = await stub.ended({ query, before, ...wanted, allowedEnvironments });
    looked += more.looked;
    const positioned = more.backends.map(({ info, status }) => ({
      info,
      status,
      position: { endedAt: status.time, fencingToken: info.fencingToken },
    }));
    shards[shard] = { found: [...found, ...positioned], readTo: more.readTo };
  }
}
