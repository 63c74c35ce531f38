import {
  type MeantBackends,
  meantAndLive,
  nextToTerminate,
  stillToTerminate,
} from "../../../domain/backends/mass-termination.ts";
import { reaches } from "../../../domain/credentials/access.ts";
import { deliveriesTakenAtOnce, massTerminationsKept, recoveryDelayMs } from "../../../domain/limits.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import { isoTime } from "../../../protocol/primitives.ts";
import type { Termination } from "../../../protocol/v3/terminations.ts";
import type { MassTerminationRow } from "../sql/mass-terminations.sql.ts";
import type { PendingDelivery } from "../sql/service.sql.ts";
import { type ServiceState, serviceNotFound } from "../state.ts";
import { beginTermination } from "./lifecycle.ts";

/*
 * The termination of many backends at once. It is a row, which says which backends are meant, and goes on with the
 * object's other work, few of each cluster at a time. Each function runs inside a transaction; times are milliseconds since
 * the epoch.
 */

/** What is to be terminated. */
export interface MassTermination {
  cause: MassTerminationRow["cause"];
  hard: boolean;
  /** Only those that were created before. */
  createdBefore: number | null;
  /** Only those of these environments; null: of all. */
  environments: readonly string[] | null;
}

/**
 * Begins to terminate all backends that live now, or has one of the same kind that is running mean them too: a repeated
 * request begins no second one.
 * @returns its row, and how many backends it is the first to terminate so
 */
export function beginMassTermination(
  state: ServiceState,
  { cause, hard, createdBefore, environments }: MassTermination,
  now: number,
): { row: MassTerminationRow; begun: number } {
  const { sql } = state;
  const lastFencingToken = state.backends.newestFencingToken();
  const meant: MeantBackends = { hard, createdBefore, environments, lastFencingToken };
  const columns = {
    hard: hard ? 1 : 0,
    created_before: createdBefore,
    environments: environments && JSON.stringify([...environments].sort()),
    last_fencing_token: lastFencingToken,
  };
  const begun = stillToTerminate(state.backends.all(), meant).length;
  const total = meantAndLive(state.backends.all(), meant).length;
  const running = unfinished(state, now).find((row) => row.cause === cause && isSameKind(row, columns));
  if (!running) {
    const row = {
      ...columns,
      id: crypto.randomUUID(),
      cause,
      created_at: now,
      total,
      open: begun > 0 ? 1 : 0,
    };
    sql.insertMassTermination(row, massTerminationsKept);
  } else if (begun > 0) {
    const before = remainingOf(state, running);
    sql.extendMassTermination(running.id, lastFencingToken, running.total + total - before);
  }
  const [newest] = sql.massTerminations();
  const row = running ? sql.massTerminations().find(({ id }) => id === running.id) : newest;
  if (!row) throw new Error("a mass termination that was begun has no row");
  return { row, begun };
}

/**
 * Goes on with what was begun: terminates the next backends of each cluster that has received the ones before.
 * @returns when to go on at the latest; null where all have been sent their termination
 */
export function continueMassTerminations(state: ServiceState, now: number): number | null {
  const { sql } = state;
  let isOpen = false;
  for (const row of sql.openMassTerminations()) {
    const candidates = stillToTerminate(state.backends.all(), meantBy(row));
    const pending = countByCluster(state.deliveries.all());
    const next = nextToTerminate(candidates, pending, deliveriesTakenAtOnce);
    for (const id of next) {
      const backend = state.backend(id);
      if (backend) beginTermination(state, backend, { hard: row.hard === 1, reason: "external" }, now);
    }
    if (next.length === candidates.length) sql.closeMassTermination(row.id);
    else isOpen = true;
  }
  return isOpen ? now + recoveryDelayMs : null;
}

function countByCluster(deliveries: readonly PendingDelivery[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { cluster } of deliveries) counts.set(cluster, (counts.get(cluster) ?? 0) + 1);
  return counts;
}

/**
 * All that are kept, newest first: also of a service that was deleted, whose backends may still be ending.
 * @param allowed the environments that the reader may see; undefined means all
 */
export function listMassTerminations(
  state: ServiceState,
  allowed: readonly string[] | undefined,
  now: number,
): Result<Termination[]> {
  if (!state.db.ready) return serviceNotFound;
  return state.db.transaction(() => {
    unfinished(state, now);
    const rows = state.sql.massTerminations();
    if (rows.length === 0 && state.row().removed_at !== null) return serviceNotFound;
    return ok(rows.filter((row) => mayRead(row, allowed)).map((row) => massTerminationView(state, row)));
  });
}

/** One of them, as `listMassTerminations`; `termination_not_found` where it is not, or not any more. */
export function findMassTermination(
  state: ServiceState,
  id: string,
  allowed: readonly string[] | undefined,
  now: number,
): Result<Termination> {
  const listed = listMassTerminations(state, allowed, now);
  if (!listed.ok) return listed;
  const found = listed.value.find((one) => one.id === id);
  return found ? ok(found) : fail("termination_not_found", `termination \`${id.slice(0, 80)}\` not found`);
}

export function massTerminationView(state: ServiceState, row: MassTerminationRow): Termination {
  const remaining = row.finished_at === null ? remainingOf(state, row) : 0;
  const { environments } = meantBy(row);
  return {
    id: row.id,
    cause: row.cause,
    hard: row.hard === 1,
    ...(environments === null ? {} : { environments: [...environments] }),
    ...(row.created_before === null ? {} : { created_before: isoTime(row.created_before) }),
    created_at: isoTime(row.created_at),
    status: remaining === 0 ? "complete" : "running",
    total: row.total,
    terminated: row.total - remaining,
    remaining,
    ...(row.finished_at === null ? {} : { finished_at: isoTime(row.finished_at) }),
  };
}

/** Those that are running. Notes which have finished: whoever looks first does, since no end of a backend looks. */
function unfinished(state: ServiceState, now: number): MassTerminationRow[] {
  return state.sql.massTerminations().filter((row) => {
    if (row.finished_at !== null) return false;
    if (remainingOf(state, row) > 0) return true;
    state.sql.finishMassTermination(row.id, now);
    return false;
  });
}

/** How many that are meant live. */
function remainingOf({ backends }: ServiceState, row: MassTerminationRow): number {
  return meantAndLive(backends.all(), meantBy(row)).length;
}

function meantBy(row: MassTerminationRow): MeantBackends {
  return {
    hard: row.hard === 1,
    createdBefore: row.created_before,
    environments: row.environments === null ? null : JSON.parse(row.environments),
    lastFencingToken: row.last_fencing_token,
  };
}

type Kind = Pick<MassTerminationRow, "hard" | "created_before" | "environments">;

function isSameKind(row: Kind, other: Kind): boolean {
  return (
    row.hard === other.hard &&
    row.created_before === other.created_before &&
    row.environments === other.environments
  );
}

function mayRead(row: MassTerminationRow, allowed: readonly string[] | undefined): boolean {
  if (allowed === undefined) return true;
  return meantBy(row).environments?.every((name) => reaches(allowed, name)) ?? false;
}
