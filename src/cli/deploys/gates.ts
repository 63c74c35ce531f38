import type { GateAnswer } from "../../protocol/v3/deploys.ts";
import { table } from "../output.ts";

/** All gates with how far each is met. */
export function gatesTable(gates: readonly GateAnswer[]): string {
  return table(
    ["GATE", "STATE", "HAVE", "NEED", "IN", "PASSES AT"],
    gates.map((gate) => [
      gate.name,
      gate.state,
      haveText(gate),
      needText(gate),
      gate.environment,
      gate.passes_at,
    ]),
  );
}

/**
 * What is waited for, on one line. It changes only where that does, and not with every second.
 * @example "waiting for min_ready: 3 of 20 in staging; soak_seconds: until 2026-11-24T10:30:00.000Z"
 */
export function waitingText(gates: readonly GateAnswer[]): string {
  const open = gates.filter(({ state }) => state !== "passed").map(openText);
  return `waiting for ${open.join("; ")}`;
}

function openText(gate: GateAnswer): string {
  const { name, passes_at: passesAt, samples, min_samples: minSamples, environment } = gate;
  const where = environment === undefined ? "" : ` in ${environment}`;
  if (passesAt !== undefined) return `${name}: until ${passesAt}`;
  if (name === "max_failed_share") return `${name}: ${samples} of ${minSamples} sessions${where}`;
  return `${name}: ${haveText(gate)} of ${needText(gate)}${where}`;
}

function haveText({ name, have, samples }: GateAnswer): string {
  if (name !== "max_failed_share") return valueText(name, have);
  return typeof have === "number" ? `${percent(have)} of ${samples} sessions` : "no session";
}

function needText({ name, need, min_samples: minSamples }: GateAnswer): string {
  if (name !== "max_failed_share") return valueText(name, need);
  return typeof need === "number" ? `at most ${percent(need)} of at least ${minSamples}` : "";
}

function valueText(name: string, value: GateAnswer["have"]): string {
  if (value === null) return "";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.join(", ");
  return name === "soak_seconds" ? `${value} s` : String(value);
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`;
}
