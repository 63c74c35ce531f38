import { checkReach, reaches } from "../../../domain/credentials/access.ts";
import { type DrainScope, isInScope, isLeft, surveyDrain } from "../../../domain/deploys/drain.ts";
import { drainIdleMs, drainsKept, drainsKeptMs, drainsUnderWayMax } from "../../../domain/limits.ts";
import { listOf, namesIn } from "../../../domain/names.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { CreateDrainBody, Drain } from "../../../protocol/v3/drains.ts";
import type { ListQuery, Page } from "../../../protocol/v3/list.ts";
import type { Actor, Caller } from "../../contract.ts";
import { newestFirst, pageOf } from "../../page.ts";
import { recordEvent } from "../feed/event-outbox.ts";
import { findEnvironment } from "../pins/find-environment.ts";
import type { DrainRow } from "../sql/drains.sql.ts";
import { type ServiceState, specOf } from "../state.ts";
import { type Keep, keptSets, namedBy, planOf, subjectOf } from "./under-way.ts";

/*
 * Drains, as they are requested and shown. Each function runs inside a transaction, or reads; times are milliseconds since the
 * epoch.
 */

/** A drain that may begin: what its row says before it does, and what it means. */
export interface PlannedDrain {
  row: Omit<DrainRow, "id" | "seq">;
  scope: DrainScope;
}

/** Begins a drain, as `ServiceRpc.createDrain`. */
export function createDrain(
  state: ServiceState,
  body: CreateDrainBody,
  { actor, idempotency }: Pick<Caller, "actor" | "idempotency">,
  now: number,
): Result<Drain> {
  const reach = body.environment === undefined ? ok(null) : checkReach(actor.environments, body.environment);
  if (!reach.ok) return reach;
  return state.idempotency.once(idempotency, now, () => {
    const begun = beginDrain(state, body, actor, now);
    return begun.ok ? ok(drainView(state, begun.value, now)) : begun;
  });
}

/**
 * Begins a drain inside the transaction of whatever requests it: its alarm's work, or `doWork`, goes on with it.
 * @returns its row; drained where nothing lives that it means
 */
export function beginDrain(
  state: ServiceState,
  body: CreateDrainBody,
  actor: Actor,
  now: number,
): Result<DrainRow> {
  const planned = planDrain(state, body, actor, now);
  if (!planned.ok) return planned;
  const { row, scope } = planned.value;
  const live = state.drains.meant(scope).length;
  if (live > 0 && state.drains.all().length >= drainsUnderWayMax) {
    return fail(
      "too_many_drains",
      `${drainsUnderWayMax} drains of this service are under way; cancel one, or wait until one is over`,
    );
  }
  const id = crypto.randomUUID();
  state.sql.insertDrain({ ...row, id }, drainsKept);
  const details = { ...namedBy({ ...row, id }), live };
  const subject = subjectOf(state.row().name, row);
  recordEvent(state, { type: "drain.started", actor, ...subject, details }, now);
  const begun = state.sql.drain(id);
  if (!begun) throw new Error("a drain that was begun has no row");
  if (live > 0) return ok(begun);
  state.drains.end(begun, null, now);
  return ok(state.sql.drain(id) ?? begun);
}

/** Whether a drain may begin, and what it would mean: nothing is written. `surveyOf` says what that comes to. */
export function planDrain(
  state: ServiceState,
  body: CreateDrainBody,
  actor: Actor,
  now: number,
): Result<PlannedDrain> {
  const { environment, digest, before_revision: revision, before, when, rate_per_minute, keep = {} } = body;
  const known =
    environment === undefined ? ok(null) : findEnvironment(state, environment, actor.environments);
  if (!known.ok) return known;
  const environments = environment === undefined ? (actor.environments?.toSorted() ?? null) : [environment];
  const checked = digest === undefined ? ok(null) : checkDigest(state, digest, environments);
  if (!checked.ok) return checked;
  const createdBefore = before === undefined ? null : Date.parse(before);
  const lastFencingToken =
    environment === undefined || revision === undefined
      ? state.backends.newestFencingToken()
      : lastTokenBefore(state, environment, revision);
  const scope: DrainScope = {
    environments,
    digest: digest ?? null,
    createdBefore,
    lastFencingToken,
    keep: keptSets(keep),
  };
  const row = {
    state: "draining" as const,
    environments: environments && JSON.stringify(environments),
    digest: scope.digest,
    before_revision: revision ?? null,
    created_before: createdBefore,
    last_fencing_token: lastFencingToken,
    at_end_of_seconds: when === "idle" ? null : when.at_end_of,
    rate_per_minute,
    keep: JSON.stringify(keep),
    token_id: actor.tokenId,
    token_name: actor.tokenName,
    created_at: now,
    next_at: now,
    ended: 0,
    remaining: null,
    reason: null,
    ended_at: null,
  };
  return ok({ row, scope });
}

/** `digest_current` where one of these environments runs it, null: any; `image_not_found` where nobody knows it: it may be misspelt. */
function checkDigest(
  state: ServiceState,
  digest: string,
  environments: readonly string[] | null,
): Result<null> {
  const running = state.environments
    .resolvingTo(digest)
    .filter(({ name }) => environments === null || environments.includes(name))
    .map(({ name }) => name);
  if (running.length > 0) {
    return fail(
      "digest_current",
      `${digest} is what ${listOf(running)} ${running.length === 1 ? "runs" : "run"} now; drain it once it is replaced`,
      { details: { digest, ...namesIn("environments", running) } },
    );
  }
  const isKnown =
    state.image(digest) !== undefined || state.backends.running(digest, 1, () => true).length > 0;
  return isKnown
    ? ok(null)
    : fail("image_not_found", `no image with digest \`${digest}\` was pushed to this service`);
}

/** The newest backend that was decided before an environment's revision: its fencing token, since later ones have greater ones; 0 for none. */
function lastTokenBefore(state: ServiceState, environment: string, revision: number): number {
  const [last] = state.backends.before(Number.MAX_SAFE_INTEGER, 1, (backend) => {
    if (backend.environment !== environment) return false;
    const row = state.backend(backend.id);
    return row !== undefined && specOf(row).pin.revision < revision;
  });
  return last?.fencing_token ?? 0;
}

/** How a drain with this scope stands, or would stand, now. */
export function surveyOf(state: ServiceState, { row, scope }: PlannedDrain, now: number) {
  const survey = surveyDrain(state.drains.meant(scope), planOf(row), {
    now,
    isIdle: (backend) => state.activity.isIdle(backend, drainIdleMs, now),
    lifetimeIn: (environment) => state.drains.lifetimes.in(environment),
  });
  return { ...survey, kept: keptBy(state, scope) };
}

/** How many live that it is about and leaves. */
function keptBy(state: ServiceState, scope: DrainScope): number {
  const { keys, backends } = scope.keep;
  if (keys.size + backends.size === 0) return 0;
  const resolves = (name: string) => state.environments.get(name)?.digest;
  return state.backends.live().filter((row) => isInScope(scope, row, resolves) && isLeft(scope, row)).length;
}

/** As `ServiceRpc.listDrains`. */
export function listDrains(
  state: ServiceState,
  query: ListQuery,
  allowed: readonly string[] | undefined,
  now: number,
): Result<Page<Drain>> {
  return pageOf(query, newestFirst, {
    read: (from, atMost) => readable(state, from, atMost, allowed, now),
    keyOf: ({ seq }) => seq,
    item: (row) => drainView(state, row, now),
  });
}

/** Those beyond a position that a reader may see: of a number that is bounded. */
function readable(
  state: ServiceState,
  from: Parameters<ServiceState["sql"]["drainsBeyond"]>[0],
  atMost: number,
  allowed: readonly string[] | undefined,
  now: number,
): DrainRow[] {
  return state.sql
    .drainsBeyond(from, drainsKept + drainsUnderWayMax)
    .filter((row) => isReadable(row, allowed, now))
    .slice(0, atMost);
}

function isReadable(row: DrainRow, allowed: readonly string[] | undefined, now: number): boolean {
  if (row.ended_at !== null && row.ended_at <= now - drainsKeptMs) return false;
  if (allowed === undefined) return true;
  const names: string[] | null = row.environments === null ? null : JSON.parse(row.environments);
  return names?.every((name) => reaches(allowed, name)) ?? false;
}

/** As `ServiceRpc.getDrain`. */
export function getDrain(
  state: ServiceState,
  id: string,
  allowed: readonly string[] | undefined,
  now: number,
): Result<Drain> {
  const row = findDrain(state, id, allowed, now);
  return row.ok ? ok(drainView(state, row.value, now)) : row;
}

/** As `ServiceRpc.cancelDrain`. */
export function cancelDrain(
  state: ServiceState,
  id: string,
  { actor }: Pick<Caller, "actor">,
  now: number,
): Result<Drain> {
  const found = findDrain(state, id, actor.environments, now);
  if (!found.ok) return found;
  const { state: reached } = found.value;
  if (reached === "drained")
    return fail("drain_over", `drain \`${id}\` is over: all that it meant has ended`);
  if (reached === "draining") state.drains.end(found.value, { reason: "requested", actor }, now);
  return getDrain(state, id, actor.environments, now);
}

function findDrain(
  state: ServiceState,
  id: string,
  allowed: readonly string[] | undefined,
  now: number,
): Result<DrainRow> {
  const row = state.sql.drain(id);
  if (row && isReadable(row, allowed, now)) return ok(row);
  return fail("drain_not_found", `drain \`${id.slice(0, 80)}\` not found`);
}

/** A drain as the API answers it. */
export function drainView(state: ServiceState, row: DrainRow, now: number): Drain {
  const keep: Keep = JSON.parse(row.keep);
  const names: string[] | null = row.environments === null ? null : JSON.parse(row.environments);
  const [environment] = names ?? [];
  return {
    id: row.id,
    state: row.state,
    ...(names?.length === 1 && environment !== undefined ? { environment } : {}),
    ...(names !== null && names.length > 1 ? { environments: names } : {}),
    ...(row.digest === null ? {} : { digest: row.digest }),
    ...(row.before_revision === null ? {} : { before_revision: row.before_revision }),
    ...(row.created_before === null ? {} : { before: isoTime(row.created_before) }),
    when: row.at_end_of_seconds === null ? "idle" : { at_end_of: row.at_end_of_seconds },
    rate_per_minute: row.rate_per_minute,
    ...(Object.keys(keep).length === 0 ? {} : { keep }),
    created_at: isoTime(row.created_at),
    by: { token_id: row.token_id, token_name: row.token_name },
    ...progressOf(state, row, now),
    ...(row.ended_at === null ? {} : { ended_at: isoTime(row.ended_at) }),
    ...(row.reason === null ? {} : { reason: row.reason }),
  };
}

function progressOf(state: ServiceState, row: DrainRow, now: number) {
  const scope = state.drains.scopeOf(row);
  if (row.ended_at !== null) {
    const live = row.remaining ?? 0;
    const over = { oldest_started_at: null, eta: null, held_up_by: { count: 0, backends: [] } };
    return { total: row.ended + live, ended: row.ended, live, kept: keptBy(state, scope), ...over };
  }
  const survey = surveyOf(state, { row, scope }, now);
  const { live, kept, oldestStartedAt, heldUpBy, eta } = survey;
  return {
    total: row.ended + live,
    ended: row.ended,
    live,
    kept,
    oldest_started_at: oldestStartedAt === null ? null : isoTime(oldestStartedAt),
    // An estimate: a moment's difference is no news to those who watch.
    eta: eta === null ? null : isoTime(Math.ceil(eta / 1000) * 1000),
    held_up_by: heldUpBy,
  };
}
