import type { Environment } from "../../protocol/v3/services.ts";
import type { Cell } from "../output.ts";

type Settings = Environment["settings"];

/** What protects an environment, a field each; none where nothing does. */
export function protectionFields({
  settings,
  stopped,
}: Pick<Environment, "settings" | "stopped">): Record<string, Cell> {
  return {
    ...(stopped && { stopped: `${stopped.reason} (by ${stopped.by.token_name}, ${stopped.at})` }),
    ...given({
      ...gateFields(settings.gates),
      ...changerFields(settings.changers),
      ...otherFields(settings),
    }),
  };
}

function gateFields(gates: Settings["gates"] = {}): Record<string, Cell> {
  const { from, match = "any", max_failed_share: share, min_samples: samples, soak_seconds: soak } = gates;
  const of = from !== undefined && from.length > 1 ? ` (${match})` : "";
  return {
    gates_from: from && from.join(" ") + of,
    min_ready: gates.min_ready,
    max_failed_share: share,
    min_samples: samples,
    soak: soak && `${soak} s`,
    checks: gates.checks?.join(", "),
  };
}

function changerFields(changers: Settings["changers"] = {}): Record<string, Cell> {
  return { changer_roles: changers.roles?.join(" "), changer_tokens: changers.tokens?.join(" ") };
}

/** But for those that are as by default. */
function otherFields(settings: Settings): Record<string, Cell> {
  return {
    require_digest: settings.require_digest ? "yes" : undefined,
    spawn_tag: settings.allow_spawn_tag === false ? "no" : undefined,
    follow: settings.follow === "candidate" ? settings.follow : undefined,
    approvals: settings.approvals || undefined,
    windows: settings.windows?.map(windowText).join("; "),
    emergency_rollback: settings.emergency_rollback === false ? "no" : undefined,
  };
}

function windowText(window: NonNullable<Settings["windows"]>[number]): string {
  const { effect, days, from, to, time_zone: zone, starts_at: start, ends_at: end } = window;
  const since = start === undefined ? "" : ` from ${start} on`;
  const until = end === undefined ? "" : ` until ${end}`;
  return `${effect} ${days.join(",")} ${from}-${to} ${zone}${since}${until}`;
}

function given(fields: Record<string, Cell>): Record<string, Cell> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== ""),
  );
}
