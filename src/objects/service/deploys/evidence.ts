import {
  type GateEvidence,
  type GateResult,
  judgeGates,
  type Upstream,
} from "../../../domain/deploys/gates.ts";
import type { Protection, ProtectionFacts, Rejection } from "../../../domain/deploys/protection.ts";
import { changesAllowed } from "../../../domain/deploys/windows.ts";
import type { ActorName, Caller, RegistryCaller } from "../../contract.ts";
import { settingsOf } from "../environment-index.ts";
import { stopOf } from "../pins/environments.ts";
import type { EnvironmentRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";

/** Everything that the judgement of a change depends on, read inside one transaction. */
export function factsOf(
  state: ServiceState,
  row: EnvironmentRow,
  digest: string | null,
  actor: Caller["actor"] | RegistryCaller["actor"],
  now: number,
): ProtectionFacts {
  const protection: Protection = settingsOf(row);
  const allowed = changesAllowed(protection.windows ?? [], now);
  return {
    environment: row.name,
    actor: actor && { tokenId: actor.tokenId, role: roleOf(actor) },
    stop: stopOf(row),
    closed: allowed.open ? null : allowed,
    rejection: digest === null ? null : rejectionOf(state, row, digest),
    gates: digest === null ? [] : gatesOf(state, row, digest, now),
  };
}

function roleOf(actor: Caller["actor"] | ActorName) {
  return "role" in actor && actor.role !== undefined ? actor.role : null;
}

function rejectionOf(state: ServiceState, { seq }: EnvironmentRow, digest: string): Rejection | null {
  if (!state.isRejected(seq, digest)) return null;
  const row = state.sql.rejection(seq, digest);
  return row ? { digest, note: row.note, tokenName: row.token_name, at: row.at } : null;
}

/** How far a digest meets the gates of an environment; none where it has none. */
export function gatesOf(state: ServiceState, row: EnvironmentRow, digest: string, now: number): GateResult[] {
  const { gates }: Protection = settingsOf(row);
  if (!gates) return [];
  const evidence: GateEvidence = {
    upstreams: (gates.from ?? []).flatMap((name) => upstreamOf(state, name, digest) ?? []),
    checks: new Map(
      gates.checks === undefined ? [] : state.sql.checksOf(digest).map(({ name, state: is }) => [name, is]),
    ),
  };
  return judgeGates(gates, evidence, now);
}

function upstreamOf(state: ServiceState, name: string, digest: string): Upstream | undefined {
  const row = state.environments.get(name);
  if (!row) return undefined;
  return {
    environment: name,
    isOnDigest: row.digest === digest,
    since: row.since,
    counts: state.arms.countsOf(row, digest, { stay: row.stay, arm: "base" }),
  };
}
