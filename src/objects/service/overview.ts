import { reaches, type Scope } from "../../domain/credentials/access.ts";
import { digestsInOverviewMax, namesInRowMax, recentPinsShown } from "../../domain/limits.ts";
import { ok, type Result } from "../../domain/result.ts";
import type { ListQuery, Page, SearchQuery } from "../../protocol/v3/list.ts";
import type {
  EnvironmentChoice,
  EnvironmentDetail,
  EnvironmentOverview,
  RunningDigests,
  ServiceOverview,
  UsedImage,
} from "../contract.ts";
import { oldestFirst, pageOf } from "../page.ts";
import { resolveConnect } from "./connect/resolve.ts";
import { liveIn, visibleDefault } from "./description.ts";
import { environmentView } from "./pins/environments.ts";
import { findEnvironment } from "./pins/find-environment.ts";
import { listImages } from "./pins/lists.ts";
import { history, shownRevision } from "./pins/revisions.ts";
import type { ServiceRow } from "./sql/service.sql.ts";
import type { ServiceState } from "./state.ts";

type Allowed = Scope["environments"];

/** As `ServiceRpc.overview`. */
export function serviceOverview(
  state: ServiceState,
  service: ServiceRow,
  allowed: Allowed,
  { search, ...query }: SearchQuery,
): Result<ServiceOverview> {
  const page = pageOf(query, oldestFirst, {
    read: (from, atMost) =>
      state.environments.beyond(from, !from.leadsBack, { search: search?.toLowerCase(), allowed }, atMost),
    keyOf: ({ seq }) => seq,
    item: (row): EnvironmentOverview => ({
      ...environmentView(state, row),
      pins: state.sql
        .revisionsBefore(row.seq, row.revision + 1, recentPinsShown)
        .map((revision) => shownRevision(state, revision)),
      ...runningDigests(state, row.name),
    }),
  });
  if (!page.ok) return page;
  const { items: environments, next, previous } = page.value;
  return ok({
    location: service.location,
    defaultEnvironment: visibleDefault(service, allowed),
    environments,
    next,
    previous,
  });
}

/** What an environment's live backends run, by how many of them do. */
function runningDigests({ sql, backends }: ServiceState, environment: string): RunningDigests {
  const counts = backends.commonDigestsIn(environment);
  const running = counts.slice(0, digestsInOverviewMax).map(([digest, count]) => ({
    digest,
    tags: sql.firstTagsOf(digest, namesInRowMax).map(({ tag }) => tag),
    count,
  }));
  const others = counts.slice(digestsInOverviewMax);
  return {
    running,
    runningOthers: { digests: others.length, count: others.reduce((sum, [, count]) => sum + count, 0) },
  };
}

/** As `ServiceRpc.environmentDetail`. */
export function environmentDetail(
  state: ServiceState,
  service: ServiceRow,
  name: string,
  query: ListQuery,
  allowed: Allowed,
): Result<EnvironmentDetail> {
  const row = findEnvironment(state, name, allowed);
  if (!row.ok) return row;
  const resolution = resolveConnect(state, service, name, {}, allowed);
  if (!resolution.ok) return resolution;
  const revisions = history(state, name, query, allowed);
  if (!revisions.ok) return revisions;
  const environment = environmentView(state, row.value);
  return ok({ environment, resolution: resolution.value, revisions: revisions.value });
}

/** As `ServiceRpc.environmentChoice`. */
export function environmentChoice(
  state: ServiceState,
  service: ServiceRow,
  chosen: string | undefined,
  atMost: number,
  allowed: Allowed,
): EnvironmentChoice {
  const start = { key: oldestFirst.start, leadsBack: false, isStart: true };
  const rows = state.environments.beyond(start, true, { allowed }, atMost + 1);
  return {
    names: rows.length > atMost ? null : rows.map(({ name }) => name),
    first: rows[0]?.name ?? null,
    defaultEnvironment: visibleDefault(service, allowed),
    live: liveIn(state, chosen === undefined ? allowed : [chosen].filter((name) => reaches(allowed, name))),
  };
}

/** As `ServiceRpc.usedImages`. */
export function usedImages(
  state: ServiceState,
  service: ServiceRow,
  query: SearchQuery,
  caller: { registryHost: string },
  allowed: Allowed,
): Result<Page<UsedImage>> {
  const page = listImages(state, service, query, caller);
  if (!page.ok) return page;
  const items = page.value.items.map((image) => {
    const names = state.environments
      .resolvingTo(image.digest)
      .flatMap(({ name }) => (reaches(allowed, name) ? [name] : []));
    return { ...image, environments: names.slice(0, namesInRowMax), environmentsTotal: names.length };
  });
  return ok({ ...page.value, items });
}
