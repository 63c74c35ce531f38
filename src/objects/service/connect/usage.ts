import type { ErrorCode } from "../../../domain/errors.ts";
import { isRefusal } from "../../../domain/usage/usage.ts";
import type { Alarm } from "../../alarm.ts";
import { chooseNamed } from "../pins/find-environment.ts";
import type { ServiceState } from "../state.ts";
import type { ConnectCall } from "./decide.ts";

interface Ports {
  state: ServiceState;
  alarm: Alarm;
}

/** Counts a connect that started a backend or got a live one, once the decision is committed. */
export function countConnect(
  { state, alarm }: Ports,
  event: "spawned" | "reused",
  environment: string,
): void {
  state.usage.count(environment, event, Date.now());
  alarm.noLaterThan(state.usage.writeBy());
}

/** Counts a connect that failed with `code`, if that is for the environment to answer for. */
export function countRefusal({ state, alarm }: Ports, { params }: ConnectCall, code: ErrorCode): void {
  if (!isRefusal(code)) return;
  const chosen = chooseNamed(state, state.row(), params.environment);
  if (!chosen.ok) return;
  state.usage.count(chosen.value, "refused", Date.now());
  alarm.noLaterThan(state.usage.writeBy());
}
