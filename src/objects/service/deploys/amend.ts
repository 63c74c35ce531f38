import { permitsChoice } from "../../../domain/credentials/access.ts";
import type { Stop } from "../../../domain/deploys/protection.ts";
import type { EventDetails } from "../../../domain/events.ts";
import { formerEnvironmentsKept } from "../../../domain/limits.ts";
import { fail, ok, type Result } from "../../../domain/result.ts";
import type {
  Environment,
  EnvironmentSettingsBody,
  PatchEnvironmentBody,
} from "../../../protocol/v3/services.ts";
import type { Mode, Outcome } from "../../contract.ts";
import { settingsOf } from "../environment-index.ts";
import { recordEvent } from "../feed/event-outbox.ts";
import { checkCluster, environmentView, stopOf } from "../pins/environments.ts";
import { findEnvironment, findToChange } from "../pins/find-environment.ts";
import { mergedSettings } from "../pins/settings.ts";
import { checkUpstreams } from "../pins/upstreams.ts";
import type { EnvironmentRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { carryOut } from "./carry-out.ts";
import { overtakeChanges } from "./changes.ts";
import type { Carrying } from "./move.ts";
import type { Amendment } from "./requests.ts";

/** Changes an environment's cluster or settings, if nothing keeps it from that. */
export function patchEnvironment(
  at: Carrying,
  name: string,
  changed: PatchEnvironmentBody,
  mode: Mode,
): Result<Outcome<Environment>> {
  const request = { kind: "settings", patch: changed } as const;
  return amend(at, name, request, mode, (row) => patch(at, row, changed));
}

/** Deletes an environment that has no live backends and is not the only one, likewise. */
export function deleteEnvironment(at: Carrying, name: string, mode: Mode): Result<Outcome<null>> {
  return amend(at, name, { kind: "delete" }, mode, (row) => remove(at, row));
}

/** Takes the stop of an environment back, likewise. */
export function unstopEnvironment(at: Carrying, name: string, mode: Mode): Result<Outcome<Environment>> {
  return amend(at, name, { kind: "unstop" }, mode, (row) => unstop(at, row));
}

function amend<T>(
  at: Carrying,
  name: string,
  request: Amendment,
  mode: Mode,
  act: (row: EnvironmentRow) => T,
): Result<Outcome<T>> {
  const row = findToChange(at.state, name, at.caller);
  if (!row.ok) return row;
  const checked = checkAmendment(at, row.value, request);
  if (!checked.ok) return checked;
  return carryOut(at, row.value, request, mode, () => act(row.value));
}

/** Whether a change can be made at all, whatever protects the environment. It is asked again where it has waited. */
export function checkAmendment(at: Carrying, row: EnvironmentRow, request: Amendment): Result<null> {
  switch (request.kind) {
    case "settings":
      return checkPatch(at, row, request.patch);
    case "delete":
      return checkDeletion(at.state, row);
    case "unstop":
      return stopOf(row) ? ok(null) : fail("bad_request", `environment \`${row.name}\` is not stopped`);
  }
}

function checkPatch(
  { state, caller }: Carrying,
  row: EnvironmentRow,
  patch: PatchEnvironmentBody,
): Result<null> {
  const { actor } = caller;
  const accountDefault = state.config().defaultCluster;
  const own = row.cluster ?? accountDefault;
  const permitted = permitsChoice(actor.environments, patch, { own, accountDefault });
  if (!permitted.ok) return permitted;
  const cluster = patch.cluster === undefined ? row.cluster : patch.cluster;
  const known = checkCluster(state, cluster, actor);
  return known.ok ? checkUpstreams(state, row.name, patch.settings, actor.environments) : known;
}

function checkDeletion(state: ServiceState, { name }: EnvironmentRow): Result<null> {
  if (state.environments.all().length === 1) {
    return fail(
      "environment_in_use",
      `\`${name}\` is the service's only environment; create another one first`,
    );
  }
  const live = state.backends.liveIn(name);
  if (live === 0) return ok(null);
  return fail(
    "environment_in_use",
    `environment \`${name}\` has ${live} live backends; terminate them first`,
    {
      details: { live_backends: live },
    },
  );
}

/** Makes the change. Whoever calls it has asked whether it may be. */
export function carryOutAmendment(at: Carrying, row: EnvironmentRow, request: Amendment): void {
  switch (request.kind) {
    case "settings":
      patch(at, row, request.patch);
      return;
    case "delete":
      remove(at, row);
      return;
    case "unstop":
      unstop(at, row);
  }
}

/** The event says what the patch names. */
function patch(at: Carrying, row: EnvironmentRow, changed: PatchEnvironmentBody): Environment {
  const { state, now } = at;
  const cluster = changed.cluster === undefined ? row.cluster : changed.cluster;
  const settings = JSON.stringify(mergedSettings(settingsOf(row), changed.settings));
  state.sql.updateEnvironment({ name: row.name, cluster, settings });
  overtakeChanges(state, row, now);
  const details = {
    ...(changed.cluster === undefined ? {} : { cluster }),
    ...definedSettings(changed.settings),
    ...approval(at).details,
  };
  if (Object.keys(details).length > 0) record(at, row, { type: "environment.changed", details });
  return viewOf(at, row);
}

function definedSettings(settings: EnvironmentSettingsBody = {}): EventDetails {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([field, value]): [string, string | number | boolean | null][] => {
      if (value === undefined) return [];
      return [[field, typeof value === "object" && value !== null ? JSON.stringify(value) : value]];
    }),
  );
}

function remove(at: Carrying, row: EnvironmentRow): null {
  const { state, service } = at;
  const { name, seq } = row;
  state.sql.rememberRevisions(name, formerEnvironmentsKept);
  state.sql.deleteEnvironment(row);
  state.sql.forgetDeploys(seq);
  state.sql.forgetRejections(seq);
  state.sql.forgetChanges(seq);
  if (service.default_environment === name) state.sql.setDefaultEnvironment(null);
  state.usage.forget(name);
  state.arms.forget(name);
  record(at, row, { type: "environment.deleted", ...approval(at) });
  return null;
}

/** Stops an environment: nothing but an admin's force changes it until that is taken back. Stopped anew it has the new reason. */
export function stopEnvironment(at: Carrying, name: string, reason: string): Result<Environment> {
  const row = findToChange(at.state, name, at.caller);
  if (!row.ok) return row;
  const { state, caller, now } = at;
  const { tokenId, tokenName } = caller.actor;
  const stop: Stop = { reason, tokenId, tokenName, at: now };
  state.sql.setStopped(name, JSON.stringify(stop));
  record(at, row.value, { type: "environment.stopped", details: { reason } });
  return ok(viewOf(at, row.value));
}

function unstop(at: Carrying, row: EnvironmentRow): Environment {
  at.state.sql.setStopped(row.name, null);
  record(at, row, { type: "environment.unstopped", ...approval(at) });
  return viewOf(at, row);
}

function approval({ approvedBy: names }: Carrying): { details?: { approved_by: string[] } } {
  return names === undefined ? {} : { details: { approved_by: [...names] } };
}

type Recorded =
  | { type: "environment.changed"; details: EventDetails }
  | { type: "environment.deleted" | "environment.unstopped"; details?: { approved_by: string[] } }
  | { type: "environment.stopped"; details: { reason: string } };

function record({ state, service, caller, now }: Carrying, { name }: EnvironmentRow, what: Recorded): void {
  const target = { actor: caller.actor, service: service.name, environment: name };
  recordEvent(state, { ...what, ...target }, now);
}

function viewOf({ state }: Carrying, { name }: EnvironmentRow): Environment {
  const row = findEnvironment(state, name);
  if (!row.ok) throw new Error("an environment that was changed has no row");
  return environmentView(state, row.value);
}
