import { gateView, type Judgement } from "../../../domain/deploys/protection.ts";
import { digestsInOverviewMax } from "../../../domain/limits.ts";
import { storedPin } from "../../../domain/pins/pin.ts";
import type { Plan } from "../../../protocol/v3/deploys.ts";
import type { EnvironmentRow } from "../sql/service.sql.ts";
import type { ServiceState } from "../state.ts";
import { type Carrying, heldBack } from "./move.ts";
import type { ChangeRequest } from "./requests.ts";

/** What a request would do, and what it would meet. */
export function planOf(
  at: Carrying,
  row: EnvironmentRow,
  request: ChangeRequest,
  { gates, approvals, refusals, forced }: Judgement,
): Plan {
  const { name: environment, image, digest, revision } = row;
  const { state } = at;
  const after = afterwards(at, row, request);
  const movesOn = after !== null && after.digest !== digest;
  const pin = storedPin(image);
  const unfollows = request.kind === "rollback" && pin.kind === "tag" ? pin.tag : null;
  return {
    plan: true,
    environment,
    kind: request.kind,
    before: { image, digest, revision },
    after,
    gates: gates.map(gateView),
    approvals_needed: approvals,
    refusals: refusals.map(({ code, message }) => ({ code, message })),
    forced: forced ?? [],
    ...(request.kind === "rollback" && movesOn && digest !== null ? { rejects: digest } : {}),
    ...(unfollows === null ? {} : { unfollows }),
    clusters: movesOn ? clustersOf(state, row) : [],
    ...liveOn(state, environment),
  };
}

/** What the environment would mean; null where it would be gone. */
function afterwards(at: Carrying, row: EnvironmentRow, request: ChangeRequest): Plan["after"] {
  const { image, digest } = row;
  switch (request.kind) {
    case "delete":
      return null;
    case "settings":
    case "unstop":
      return { image, digest };
    case "pin":
      return { image: request.image, digest: request.digest };
    case "follow": {
      const isHeld = request.digest !== null && heldBack(at, row, request.digest) !== null;
      return { image: request.tag, digest: isHeld ? digest : request.digest };
    }
    default:
      return { image: request.digest, digest: request.digest };
  }
}

function clustersOf(state: ServiceState, row: EnvironmentRow): string[] {
  const cluster = row.cluster ?? state.config().defaultCluster;
  return cluster === null ? [] : [cluster];
}

function liveOn(state: ServiceState, environment: string): Pick<Plan, "live" | "live_total"> {
  const counts = state.backends.commonDigestsIn(environment);
  return {
    live: counts.slice(0, digestsInOverviewMax).map(([digest, count]) => ({ digest, count })),
    live_total: state.backends.liveIn(environment),
  };
}
