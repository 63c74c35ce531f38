import {
  type ChangeKind,
  type Judgement,
  judgeChange,
  type Proposal,
} from "../../../domain/deploys/protection.ts";
import { isWeaker } from "../../../domain/deploys/weakening.ts";
import type { Caller, RegistryCaller } from "../../contract.ts";
import { settingsOf } from "../environment-index.ts";
import { mergedSettings } from "../pins/settings.ts";
import type { EnvironmentRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { factsOf } from "./evidence.ts";
import type { ChangeRequest } from "./requests.ts";

/** Judges a request against the protection of its environment as it is now. Everything that changes an environment asks here. */
export function judgeRequest(
  state: ServiceState,
  row: EnvironmentRow,
  request: ChangeRequest,
  actor: Caller["actor"],
  now: number,
): Judgement {
  const proposal = proposalOf(row, request);
  return judgeChange(settingsOf(row), proposal, factsOf(state, row, proposal.digest, actor, now));
}

/** The same of a push that would move an environment which follows its tag: nobody asks, and nothing is forced. */
export function judgePush(
  state: ServiceState,
  row: EnvironmentRow,
  digest: string,
  actor: Caller["actor"] | RegistryCaller["actor"],
  now: number,
): Judgement {
  const proposal = { ...proposed("push"), digest, followsTag: true };
  return judgeChange(settingsOf(row), proposal, factsOf(state, row, digest, actor, now));
}

function proposed(kind: ChangeKind): Proposal {
  return { kind, digest: null, followsTag: false, weakens: false, isReturn: false, force: false, note: null };
}

function proposalOf(row: EnvironmentRow, request: ChangeRequest): Proposal {
  const base = proposed(request.kind);
  switch (request.kind) {
    case "settings": {
      const before = settingsOf(row);
      const weakens = isWeaker(before, mergedSettings(before, request.patch.settings));
      const { cluster } = request.patch;
      const moves = cluster !== undefined && cluster !== row.cluster;
      return { ...base, kind: moves ? "cluster" : "settings", weakens };
    }
    case "delete":
    case "unstop":
      return base;
    default: {
      const why = { force: request.force ?? false, note: request.note ?? null };
      // What a followed tag stands on is judged as a push of it would be: refused, it waits, and the tag is followed.
      if (request.kind === "follow") return { ...base, ...why, followsTag: true };
      const { digest } = request;
      if (request.kind === "pin") return { ...base, ...why, digest, followsTag: request.image !== digest };
      return { ...base, ...why, digest, isReturn: request.kind === "rollback" && request.isReturn };
    }
  }
}
